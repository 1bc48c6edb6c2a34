// Reads {"tables": {name: "(column:type, ...)"}, "queries": {name: text}} from standard input and writes, for each query,
// what Microsoft's own parser says of it: {name: {"errors": [...], "columns": [...], "tables": [...]}}.
const home = process.argv[2];
require(`${home}/bridge.min.js`);
require(`${home}/Kusto.Language.Bridge.min.js`);
const { Symbols, GlobalState, KustoCode } = Kusto.Language;

const { tables, queries } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const known = Object.entries(tables).map(([name, schema]) => Symbols.TableSymbol.From(schema).WithName(name));
const database = new Symbols.DatabaseSymbol.ctor("insights", known);
const globals = GlobalState.Default.WithDatabase(database);

function check(text) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const errors = [];
  const found = code.GetDiagnostics();
  for (let i = 0; i < found.Count; i++) errors.push(found.getItem(i).Message);
  const columns = new Set();
  const named = new Set();
  Kusto.Language.Syntax.SyntaxElement.WalkNodes(code.Syntax, (node) => {
    const symbol = node.ReferencedSymbol;
    if (symbol instanceof Symbols.TableSymbol && symbol.Name) named.add(symbol.Name);
    if (symbol instanceof Symbols.ColumnSymbol) columns.add(symbol.Name);
  });
  return { errors, columns: [...columns], tables: [...named] };
}

const answer = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, check(text)]));
process.stdout.write(JSON.stringify(answer));

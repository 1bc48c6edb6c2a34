"""Walks a person through the steps. Nothing is run without a yes, and whatever was done stays done when it stops."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from shared.model.errors import NotPermitted, TandemError, WrongSettings
from shared.ops.setup import keys
from shared.ops.setup.checks import Checks
from shared.ops.setup.facts import BY_KEY, Facts
from shared.ops.setup.model import Act, Command, Make, Step, Tools, Verdict, applies, explained
from shared.ops.setup.progress import Progress
from shared.ops.setup.texts import lines
from shared.ports.world import Clock, Random

SKIP = "skip"
ASK, ASK_ALL = "Run this now?", "Run this now, and those that follow in this step?"


class Stopped(TandemError):
    """A command failed. What was done before it stays done; running setup again goes on from there."""

    scope = "app"


class Person(Protocol):
    def say(self, text: str) -> None: ...
    def show(self, text: str) -> None:
        """Exactly as it is, to be copied."""
        ...

    def agrees(self, question: str, *, default: bool = False) -> bool: ...
    def tells(self, question: str, default: str = "") -> str: ...
    def whispers(self, question: str) -> str:
        """A secret: it isn't shown while it is typed."""
        ...


class Wizard:
    """`again`: steps are done although they are, with their secrets asked for and drawn anew; but for the key of the
    deployment, without which nothing that is stored would be recognised."""

    def __init__(
        self,
        checks: Checks,
        progress: Progress,
        tools: Tools,
        person: Person,
        clock: Clock,
        random: Random,
        *,
        again: bool = False,
    ) -> None:
        self._checks, self._progress, self._tools, self._person = checks, progress, tools, person
        self._clock, self._random, self._again = clock, random, again

    @property
    def _facts(self) -> Facts:
        return self._checks.facts

    def walk(self, steps: Iterable[Step]) -> bool:
        """Whether all are done. Stopped, WrongSettings or another TandemError where it can't go on."""
        all_done = True
        for step in steps:
            verdict = self._done(step)
            all_done = all_done and verdict.fine
            stuck = not verdict.fine and verdict.kind != "waiting"
            if stuck and not self._person.agrees("It isn't done yet. Go on with the next step all the same?"):
                return False
        return all_done

    def _done(self, step: Step) -> Verdict:
        self._person.say(f"\n{step.title} ({step.name})")
        self._decide(step)
        verdict = step.look(self._checks)
        if self._again or not (verdict.fine or verdict.kind == "waiting"):
            self._person.say(f"{step.why} Now: {verdict.text}.")
            self._do(step, verdict)
            verdict = self._looked(step)
        self._note()
        self._person.say(f"{verdict.kind}: {verdict.text}.")
        return verdict

    def _do(self, step: Step, before: Verdict) -> None:
        wrong = before.kind == "wrong"
        asked = [key for key, when in step.asks if wrong and applies(when, self._facts)]
        for key in dict.fromkeys((*step.wanted(self._facts), *asked)):
            self._ask(key, again=wrong)
        if step.name == "callback":
            self.show_callback()
        agreed = False
        for act in step.needed(self._facts):
            agreed = self._act(step, act, agreed=agreed and step.together)
        if applies(step.needs, self._facts):
            for key in step.learns:
                self._ask(key, again=wrong)
            if step.secret and (wrong or self._lacks(step.secret)):
                self._ask_secret(step.secret)

    def _looked(self, step: Step) -> Verdict:
        verdict = step.look(self._checks)
        if verdict.kind == "unseen" and self._person.agrees(f"This {verdict.text}. Have you done it?"):
            self._progress.say(step.name, self._clock.now())
            return step.look(self._checks)
        return verdict

    # ---- what is known
    def _decide(self, step: Step) -> None:
        if step.decides and not self._facts.get(step.decides):
            self._person.say(f"To decide: {explained(step.decides)}.")
            self._told(step.decides, "Your choice", BY_KEY[step.decides].choices[0][0])

    def _ask(self, key: str, *, again: bool = False) -> None:
        held = self._facts.get(key)
        if not held or again:
            self._told(key, f"{BY_KEY[key].about}\n {BY_KEY[key].label}", held)

    def _told(self, key: str, question: str, default: str) -> None:
        """Asked until it can be used."""
        while True:
            try:
                return self._learn(key, self._person.tells(question, default))
            except WrongSettings as error:
                self._person.say(str(error))

    def _learn(self, key: str, text: str) -> None:
        self._facts.learn(key, text)
        self._note()

    def _note(self) -> None:
        self._progress.learn(self._facts.known())

    # ---- secrets
    def _lacks(self, name: str) -> bool:
        """Whether the secret is to be got or drawn; the key of the deployment is so once only."""
        held = self._checks.secrets.get(name)
        return held is None or (self._again and name != keys.DEPLOYMENT)

    def _ask_secret(self, name: str) -> None:
        try:
            self.keep_secret(name, self._person.whispers(f"The secret ({name})"))
        except (NotPermitted, WrongSettings) as error:
            self._person.say(f"{error}. Nothing was changed.")

    def keep_secret(self, name: str, value: str) -> None:
        """Put it into the vault, once its vendor took it. A TandemError when it can't be used: nothing was changed."""
        self._checks.try_secret(name, value)
        self._checks.secrets.set(name, value)
        self._person.say(f"Kept in the vault as {name}.")

    def show_callback(self) -> None:
        """What has to be typed into DingTalk's console: the only secrets that are ever shown."""
        token, aes_key = (self._checks.secrets.get(name) or "(not made yet)" for name in (keys.TOKEN, keys.AES_KEY))
        self._person.show(self._facts.filled("address   <url>/api/dingtalk/callback"))
        self._person.show(f"token     {token}")
        self._person.show(f"aes_key   {aes_key}")

    # ---- acts
    def _act(self, step: Step, act: Act, *, agreed: bool) -> bool:
        """Whether it was run after a yes, or is `agreed` to be."""
        if isinstance(act, Make):
            self._make(act)
            return False
        if isinstance(act, Command) and self._is_run(act):
            return agreed
        head, told = lines(act, self._facts)
        self._person.say(head)
        for line in told:
            self._person.show(f"  {line}")
        if not isinstance(act, Command):
            self._person.tells("Press Enter when it is done", "")
        elif self._tools.has(act.tool) and (agreed or self._person.agrees(ASK_ALL if step.together else ASK)):
            self._run(step, act)
            return True
        else:
            self._by_hand(step, act)
        return False

    def _make(self, act: Make) -> None:
        if self._lacks(act.secret):
            keep = self._checks.secrets.set if self._again else self._checks.secrets.add
            keep(act.secret, act.draw(self._random))
            self._progress.unsay("callback")  # the console has to be told
            self._person.say(f"Made {act.what}; it is in the vault as {act.secret}.")

    def _is_run(self, act: Command) -> bool:
        """Whether it has been run before, as far as that can be seen; what it found out then is learnt."""
        if (act.keeps and self._facts.get(act.keeps)) or (act.secret and not self._lacks(act.secret)):
            return True
        words = tuple(self._facts.filled(word) for word in act.done_if)
        if not words or not self._tools.has(act.tool) or self._facts.missing(act.done_if):
            return False
        ran = self._tools.run(act.tool, words)
        found = ran.output.strip()
        if ran.status or not found or len(found.splitlines()) != 1:
            return False
        if act.keeps:
            self._learn(act.keeps, found)
            return True
        return found.lower() == self._facts.filled(act.says).lower()

    def _run(self, step: Step, act: Command) -> None:
        if act.tool == "az" and act.words[0] != "login":
            self._in_tenant()
        caught = bool(act.keeps or act.secret)
        ran = self._tools.run(act.tool, act.filled(self._facts), seen=not caught)
        if ran.status:
            told = [line for line in ran.errors.splitlines() if line.strip()]
            why = f": {told[-1].strip()}" if told and not act.secret else ""
            raise Stopped(f"{act.tool} ended with status {ran.status}{why}. Mend that and run `tandem setup` again")
        self._take(act, ran.output.strip())
        self._begun(step, act)

    def _in_tenant(self) -> None:
        """Stopped when az would change another tenant than the one that is meant."""
        shown = self._tools.run("az", ("account", "show", "--query", "tenantId", "--output", "tsv"))
        tenant = self._facts.get("tenant")
        if shown.status or shown.output.strip().lower() != tenant.lower():
            raise Stopped(f"az isn't signed in to the tenant that is meant: run `az login --tenant {tenant}`")

    def _by_hand(self, step: Step, act: Command) -> None:
        if act.keeps:
            self._told(act.keeps, f"What it printed: {BY_KEY[act.keeps].about}", "")
        elif act.secret:
            self._take(act, self._person.whispers("What it printed"))
        elif self._person.tells(f"Press Enter when it is done, or type {SKIP}", "").strip() == SKIP:
            return
        self._begun(step, act)

    def _begun(self, step: Step, act: Command) -> None:
        """Note when: of a step with something to wait for, when that was run."""
        if act.wait[1] or not any(isinstance(other, Command) and other.wait[1] for other in step.acts):
            self._progress.begin(step.name, self._clock.now())

    def _take(self, act: Command, output: str) -> None:
        if act.keeps:
            self._learn(act.keeps, output)
        if act.secret:
            self._checks.secrets.set(act.secret, keys.checked(act.secret, output))
            self._person.say(f"Kept in the vault as {act.secret}.")

// Charts and tables of what Tandem tells: an overview, and a page for one pair. What they show is workbook.json.
param location string
param tags object
@description('Resource ID of the Application Insights component that Tandem sends to.')
param insightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(insightsId, 'tandem')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Tandem'
    category: 'workbook'
    sourceId: insightsId
    version: '1.0'
    serializedData: loadTextContent('workbook.json')
  }
}

output workbookId string = workbook.id

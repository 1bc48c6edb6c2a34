// What calls a person. Each alert is a row of alerts.json; docs/operate.md says what it means and what to do, under the
// alert's name. A rule is charged by how often it runs, and mails again only after it was well in between.
param location string
param tags object
@description('Resource ID of the Application Insights component that Tandem sends to.')
param insightsId string
@description('Whom to write to.')
param email string

var prefix = 'tandem-${uniqueString(insightsId)}'
var alerts = loadJsonContent('alerts.json')

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${prefix}-people'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'tandem'
    emailReceivers: [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in alerts: {
    name: '${prefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Tandem: ${alert.name}'
      description: '${alert.about} What to do: docs/operate.md#${alert.name}'
      enabled: true
      severity: alert.severity
      scopes: [insightsId]
      evaluationFrequency: alert.every
      windowSize: alert.window
      criteria: {
        allOf: [{ query: alert.query, timeAggregation: 'Count', operator: 'GreaterThan', threshold: 0 }]
      }
      autoMitigate: true
      skipQueryValidation: true // before the first data came, a fresh component doesn't know the tables
      actions: { actionGroups: [people.id] }
    }
  }
]

output ruleNames array = [for (alert, index) in alerts: rules[index].name]

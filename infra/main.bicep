// Everything that Tandem needs on Azure, in one resource group. `azd provision` deploys it; docs/deploy.md explains it.
targetScope = 'subscription'

// ---------------------------------------------------------------------------------------------------------- where, who

@description('Name of the azd environment. It names the resource group, and all other names are made from it. Needed. Costs nothing.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Azure region of everything, such as eastasia or southeastasia. Needed. Prices differ by region.')
@minLength(1)
param location string

@description('Object ID of who runs `tandem` on their own machine: they may set secrets and change the state. Default: nobody. Costs nothing.')
param principalId string = ''

@description('What principalId is. Default: User. Costs nothing.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

// ------------------------------------------------------------------------------------------------------------- vendors

@description('Directory (tenant) ID of the app registration in Microsoft Entra. Default: the directory of this subscription. Costs nothing.')
param graphTenantId string = ''

@description('Application (client) ID of the app registration in Microsoft Entra. Default: none; the app waits until it is given. Costs nothing.')
param graphClientId string = ''

@description('What the app proves itself to Entra with: managed-identity (the registration trusts the identity of this app) or client-secret (read from the vault). Default: managed-identity. Costs nothing.')
@allowed(['managed-identity', 'client-secret'])
param graphSignIn string = 'managed-identity'

@description('ID of the app made in the Alimail admin console. Default: none; the app waits until it is given. Costs nothing.')
param alimailClientId string = ''

@description('CorpId of the organisation in DingTalk, when leaving people are to be noticed. Default: none; give it together with dingtalkAppKey. Costs nothing.')
param dingtalkCorpId string = ''

@description('AppKey of the app on DingTalk\'s open platform. Default: none; give it together with dingtalkCorpId. Costs nothing.')
param dingtalkAppKey string = ''

// -------------------------------------------------------------------------------------------------------------- the app

@description('Memory of one instance in MB. Default: 512. Time is billed by memory: 2048 costs four times as much for the same time.')
@allowed([512, 2048, 4096])
param instanceMemory int = 512

@description('Instances at most, 40 to 1000. Default: 40. It bounds what a flood of mail can cost; idle instances cost nothing.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Instances that are always ready for callbacks, 0 to 20. Default: 0. Each costs about 5 USD a month at 512 MB, and four times that at 2048.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttp int = 0

@description('How often the app looks at what is due: NCRONTAB with seconds, in UTC. Default: every 30 seconds. Seldomer costs less and notices later.')
param tickSchedule string = '*/30 * * * * *'

@description('More settings of docs/settings.md by their names, such as {"TANDEM_JUNK": "copy"}. Default: none. No secrets: those are in the vault. Costs nothing.')
param moreSettings object = {}

// ---------------------------------------------------------------------------------------------------------------- state

@description('How the storage account keeps copies: Standard_LRS in one building, Standard_ZRS in three. Default: Standard_LRS. ZRS costs about a quarter more for what is stored.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageRedundancy string = 'Standard_LRS'

@description('True to bring back the vault that was deleted with an earlier deployment of this name; its secrets come back too. Default: false. Costs nothing.')
param recoverVault bool = false

// --------------------------------------------------------------------------------------------------------------- network

@description('True to give the app one fixed address for its own requests, for vendors that ask for one (a virtual network and a NAT gateway). Default: false. Costs about 36 USD a month, and 0.045 USD for each GB.')
param fixedAddress bool = false

// ----------------------------------------------------------------------------------------------------- watching and money

@description('GB of logs a day at most; what comes later that day is dropped. Default: 1. Logs cost about 2.50 USD a GB beyond 5 GB a month.')
@minValue(1)
@maxValue(100)
param dailyLogCap int = 1

@description('Whom alerts and the budget write to. Default: nobody, and then there are neither. Alerts cost about 0.50 to 1.50 USD a month each.')
param alertEmail string = ''

@description('Budget of the resource group a month, in the currency of the subscription, of which alertEmail is told at 80 % and when it will be passed; nothing is stopped. Default: 0, no budget. Costs nothing.')
@minValue(0)
param monthlyBudget int = 0

@description('First day of the budget. Default: the first of this month. Costs nothing.')
param budgetStart string = utcNow('yyyy-MM-01')

// ---------------------------------------------------------------------------------------------------------------------

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var names = {
  storage: 'st${token}'
  vault: 'kv-${token}'
  logs: 'log-${token}'
  insights: 'appi-${token}'
  identity: 'id-${token}'
  plan: 'plan-${token}'
  app: 'func-${token}'
  network: 'vnet-${token}'
  gateway: 'ng-${token}'
  address: 'pip-${token}'
}
var stored = environment().suffixes.storage
var addresses = {
  TANDEM_TABLE_URL: 'https://${names.storage}.table.${stored}'
  TANDEM_QUEUE_URL: 'https://${names.storage}.queue.${stored}'
  TANDEM_BLOB_URL: 'https://${names.storage}.blob.${stored}'
  TANDEM_VAULT_URL: 'https://${names.vault}${environment().suffixes.keyvaultDns}'
}
var tenantId = empty(graphTenantId) ? tenant().tenantId : graphTenantId
var federated = graphSignIn == 'managed-identity'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${environmentName}-rg'
  location: location
  tags: tags
}

module storage 'storage.bicep' = {
  scope: group
  params: { name: names.storage, location: location, tags: tags, redundancy: storageRedundancy }
}

module vault 'vault.bicep' = {
  scope: group
  params: { name: names.vault, location: location, tags: tags, recover: recoverVault }
}

module watch 'watch.bicep' = {
  scope: group
  params: { logsName: names.logs, insightsName: names.insights, location: location, tags: tags, dailyCap: dailyLogCap }
}

module roles 'roles.bicep' = {
  scope: group
  params: {
    identityName: names.identity
    location: location
    tags: tags
    storageName: names.storage
    vaultName: names.vault
    insightsName: names.insights
    administratorId: principalId
    administratorType: principalType
  }
  dependsOn: [storage, vault, watch]
}

module network 'network.bicep' = if (fixedAddress) {
  scope: group
  params: {
    networkName: names.network
    gatewayName: names.gateway
    addressName: names.address
    location: location
    tags: tags
  }
}

// After the roles, so that the app never starts without them.
module app 'app.bicep' = {
  scope: group
  params: {
    planName: names.plan
    appName: names.app
    location: location
    tags: tags
    identityName: names.identity
    packages: '${addresses.TANDEM_BLOB_URL}/${storage.outputs.packages}'
    insightsName: names.insights
    networkName: fixedAddress ? names.network : ''
    instanceMemory: instanceMemory
    maximumInstances: maximumInstances
    alwaysReadyHttp: alwaysReadyHttp
    settings: union(moreSettings, addresses, {
      TANDEM_GRAPH_TENANT_ID: tenantId
      TANDEM_GRAPH_CLIENT_ID: graphClientId
      TANDEM_GRAPH_FEDERATED: federated ? 'managed-identity' : ''
      TANDEM_GRAPH_MANAGED_IDENTITY_CLIENT_ID: federated ? roles.outputs.clientId : ''
      TANDEM_ALIMAIL_CLIENT_ID: alimailClientId
      TANDEM_DINGTALK_CORP_ID: dingtalkCorpId
      TANDEM_DINGTALK_APP_KEY: dingtalkAppKey
      TANDEM_TICK_SCHEDULE: tickSchedule
    })
    hostStorage: {
      blob: addresses.TANDEM_BLOB_URL
      queue: addresses.TANDEM_QUEUE_URL
      table: addresses.TANDEM_TABLE_URL
    }
  }
  dependsOn: [network]
}

module budget 'budget.bicep' = if (monthlyBudget > 0 && !empty(alertEmail)) {
  scope: group
  params: { amount: monthlyBudget, start: budgetStart, email: alertEmail }
}

module alerts 'alerts.bicep' = if (!empty(alertEmail)) {
  scope: group
  params: { location: location, tags: tags, insightsId: watch.outputs.insightsId, email: alertEmail }
}

module workbook 'workbook.bicep' = {
  scope: group
  params: { location: location, tags: tags, insightsId: watch.outputs.insightsId }
}

// ------------------------------------------------------------------------------------------------------------- outputs
// azd keeps them in its environment. Whatever starts with TANDEM_ is a setting that `tandem` reads there.

@description('The resource group that holds everything.')
output AZURE_RESOURCE_GROUP string = group.name

@description('The function app.')
output AZURE_FUNCTION_APP string = names.app

@description('Object ID of the app\'s identity: the subject of the federated credential of the app registration.')
output APP_IDENTITY_PRINCIPAL_ID string = roles.outputs.principalId

@description('Where DingTalk sends its events.')
output DINGTALK_CALLBACK_URL string = '${app.outputs.url}/api/dingtalk/callback'

@description('The address that the app\'s own requests come from; empty when it isn\'t fixed.')
output APP_FIXED_ADDRESS string = fixedAddress ? network!.outputs.address : ''

@description('Where the app is reached.')
output TANDEM_PUBLIC_URL string = app.outputs.url

@description('The directory of the app registration.')
output TANDEM_GRAPH_TENANT_ID string = tenantId

@description('The tables with the state.')
output TANDEM_TABLE_URL string = addresses.TANDEM_TABLE_URL

@description('The queues with the work.')
output TANDEM_QUEUE_URL string = addresses.TANDEM_QUEUE_URL

@description('The blobs.')
output TANDEM_BLOB_URL string = addresses.TANDEM_BLOB_URL

@description('The vault with the secrets.')
output TANDEM_VAULT_URL string = addresses.TANDEM_VAULT_URL

"""Microsoft Graph: transport, batch, delta and subscriptions, and a replica per kind."""

"""The roles that the template gives, each with why. The template is held to this list, and docs/deploy.md shows it."""

from __future__ import annotations

from dataclasses import dataclass

APP, ADMINISTRATOR = "the app", "the administrator"
STORAGE, VAULT, INSIGHTS = (
    "Microsoft.Storage/storageAccounts",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Insights/components",
)


@dataclass(frozen=True, slots=True)
class Role:
    """`on`: the type of the one resource that it is given on."""

    to: str
    name: str
    id: str
    on: str
    why: str


BLOBS = "Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
QUEUES = "Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
TABLES = "Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
READ_SECRETS = "Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6"
SET_SECRETS = "Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
SEND_LOGS = "Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb"

ROLES = (
    Role(APP, *BLOBS, STORAGE, "the Functions host asks for it, for its locks and its keys; also the app's own blobs"),
    Role(APP, *QUEUES, STORAGE, "to take work from queues and put it there"),
    Role(APP, *TABLES, STORAGE, "to keep the state"),
    Role(APP, *READ_SECRETS, VAULT, "to read secrets; it can't change one"),
    Role(APP, *SEND_LOGS, INSIGHTS, "to send logs and figures without a key"),
    Role(ADMINISTRATOR, *QUEUES, STORAGE, "for `tandem` commands that wake a pair or replay messages"),
    Role(ADMINISTRATOR, *TABLES, STORAGE, "for `tandem` commands that read and change the state"),
    Role(ADMINISTRATOR, *SET_SECRETS, VAULT, "to set the vendors' secrets and the client passwords"),
)

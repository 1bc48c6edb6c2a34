"""DingTalk mail: the Alimail open API for everything that it can do, IMAP for putting original bytes there."""

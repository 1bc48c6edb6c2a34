"""A simulated Microsoft 365: login, mail, delta, subscriptions, batch and limits, as far as Tandem and its neighbours
use them. Written from the vendor's contract; it knows nothing of the product."""

from sandbox.microsoft.notifications import Delivery
from sandbox.microsoft.person import GraphMailbox
from sandbox.microsoft.switches import Switches
from sandbox.microsoft.vendor import Microsoft365

__all__ = ["Delivery", "GraphMailbox", "Microsoft365", "Switches"]

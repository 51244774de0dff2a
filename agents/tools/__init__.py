"""The whole registry. `PREPARE` writes down what will happen, in a transaction; `RUN` lets it, outside of one."""

from agents.tools import webhook_trigger

PREPARE = {"webhook_trigger": webhook_trigger.prepare}
RUN = {"webhook_trigger": webhook_trigger.run}

"""Which purpose is whose work."""

from collections.abc import Mapping

from batch_updater.models import Purpose
from batch_updater.work.exports import EXPORTS
from batch_updater.work.plans import PLANS
from batch_updater.work.updates import UPDATES
from batch_updater.work.verifications import VERIFICATIONS
from batch_updater.work.work import Work

WORK: Mapping[Purpose, Work] = {
    Purpose.UPDATE: UPDATES,
    Purpose.EXPORT: EXPORTS,
    Purpose.PLAN: PLANS,
    Purpose.VERIFY: VERIFICATIONS,
}

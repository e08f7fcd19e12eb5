"""The neighbour's house: a local stand-in of Huawei Cloud FRS, library first.

It shares no room with the updater, so that a mistake in a shared encoder cannot
pass its own test.
"""

from batch_updater.emulator.app import Emulator
from batch_updater.emulator.faults.fault import Fault
from batch_updater.emulator.settings import EmulatorSettings

__all__ = ["Emulator", "EmulatorSettings", "Fault"]

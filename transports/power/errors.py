"""What can keep a node from being restarted from outside."""

from transports.errors import TenderError


class PowerError(TenderError):
    """The switch did not do what it was told."""

    code = "switch-failed"
    remedy = "Try the switch by hand; `tender recover NODE` lists what was tried."
    retryable = True


class SwitchMissing(PowerError):
    """There is no such chip, line or port here."""

    code = "switch-missing"
    remedy = "Correct the step in the ladder: `gpioinfo` lists lines, `lsusb -t` hubs and ports."
    retryable = False


class SwitchDenied(PowerError):
    """We may not use this switch."""

    code = "switch-denied"
    remedy = 'Let the service\'s user write to it (a udev rule), or do it by a command (kind = "relay").'
    retryable = False


class BindingMissing(PowerError):
    """GPIO lines need libgpiod's Python binding, which is not installed."""

    code = "gpio-binding-missing"
    remedy = "Install Tender with the extra: pip install 'fleet-tender[gpio]'."
    retryable = False


class CommandFailed(PowerError):
    """The command for this switch ended with an error, or did not end in time."""

    code = "switch-command-failed"
    remedy = "Run the command by hand, as the service's user and with TENDER_NODE set."

"""What other packages bring: flashers, profiles, health hooks; found by entry points, never by folders."""

from gateway.plugins.registry import FlasherUnknown, HookUnknown, Plugin, PluginBroken, Registry

__all__ = ["FlasherUnknown", "HookUnknown", "Plugin", "PluginBroken", "Registry"]

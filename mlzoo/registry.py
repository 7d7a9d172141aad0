"""Installed plugins: found without importing them, loaded on demand, each in isolation."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import pluggy

from mlzoo.errors import PluginError
from mlzoo.plugin import API_VERSION, Architecture, Hooks

GROUP = "mlzoo"


@dataclass(frozen=True)
class Plugin:
    """One installed plugin. ``name`` is what users type: ours stay, a clashing one is reached as ``package:name``."""

    name: str
    package: str
    version: str
    entry_point: EntryPoint

    @property
    def problem(self) -> str | None:
        """Why it cannot be used, or None where it can; finding out imports it."""
        try:
            self.load()
        except PluginError as error:
            return str(error)
        return None

    def load(self) -> Architecture:
        """Import the plugin and ask it for its architecture. Raises :class:`PluginError` that says what is wrong."""
        return _load(self.entry_point)


def plugins() -> list[Plugin]:
    """Every installed plugin, by name; nothing is imported."""
    found = sorted(
        entry_points(group=GROUP), key=lambda point: (_package(point) != "mlzoo", point.name, _package(point))
    )
    listed: dict[str, Plugin] = {}
    for point in found:
        package = _package(point)
        name = point.name if point.name not in listed else f"{package}:{point.name}"
        version = point.dist.version if point.dist else "unknown"
        listed.setdefault(name, Plugin(name, package, version, point))
    return sorted(listed.values(), key=lambda plugin: plugin.name)


def plugin(name: str) -> Plugin:
    """The plugin that brings the architecture of that name; nothing is imported. Raises :class:`PluginError`."""
    installed = {plugin.name: plugin for plugin in plugins()}
    if name not in installed:
        raise PluginError(
            f"no installed plugin brings the architecture {name!r} (installed: {', '.join(installed) or 'none'}). "
            "Install the package that does; `mlzoo plugins` shows what is there."
        )
    return installed[name]


def architecture(name: str) -> Architecture:
    """The architecture of that name, its plugin imported if it was not yet; no other plugin is touched."""
    return plugin(name).load()


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


@functools.cache
def _load(point: EntryPoint) -> Architecture:
    try:
        module = point.load()
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(Hooks)
        manager.register(module)
        found = _ask(manager, point.name)
        if found.api <= API_VERSION:
            manager.check_pending()  # a hook that nobody will ever call is a mistake
    except PluginError:
        raise
    except (Exception, SystemExit) as error:  # a plugin is others' code: whatever it raises must not stop the rest
        raise PluginError(
            f"plugin {point.name!r} ({point.value}, from {_package(point)}) is broken: "
            f"{type(error).__name__}: {error}. Update or uninstall {_package(point)}."
        ) from error
    if found.api > API_VERSION:
        raise PluginError(
            f"plugin {point.name!r} (from {_package(point)}) is too new: it is written for plugin interface {found.api}, "
            f"and this mlzoo has {API_VERSION}. Update mlzoo."
        )
    return found


def _ask(manager: pluggy.PluginManager, name: str) -> Architecture:
    answers = manager.hook.mlzoo_architecture()
    if len(answers) != 1 or not isinstance(answers[0], Architecture) or answers[0].name != name:
        raise TypeError(f"the hook mlzoo_architecture must return one Architecture named {name!r}, not {answers!r}")
    return answers[0]

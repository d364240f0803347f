"""The models that can be chosen: ready-made ones, and the folders that were opened or trained."""

from __future__ import annotations

import functools
from pathlib import Path

from qtpy.QtCore import QObject, Signal

from ...folder import folder as model_folder
from ...folder import pretrained


class KnownModels(QObject):
    """Model folders by a name to show; `changed` is emitted with the name of a new one."""

    changed = Signal(str)

    def __init__(self):
        super().__init__()
        self._folders = {f"{n} (ready-made)": pretrained.find(n) for n in pretrained.names()}

    def names(self) -> list[str]:
        """Return the names, ready-made models first."""
        return list(self._folders)

    def folder(self, name: str) -> Path:
        """Return the folder of a model."""
        return self._folders[name]

    def add(self, path) -> str:
        """Add a model folder, or all those inside of a folder; return the name of the first.

        Raises
        ------
        FolderError, ConfigError
            There is no model, or it is damaged.
        """
        path = Path(path).resolve()
        inside = sorted(p.parent for p in path.glob(f"*/{model_folder.CONFIG}"))
        folders = inside if inside and not (path / model_folder.CONFIG).exists() else [path]
        first, *_ = [self._add(folder) for folder in folders]
        return first

    def _add(self, folder: Path) -> str:
        model_folder.read_config(folder)
        name = next((name for name, known in self._folders.items() if known == folder), None)
        if name is None:
            taken = {n.lower() for n in self._folders}
            name = folder.name
            name = name if name.lower() not in taken else f"{name} ({folder.parent})"
            self._folders[name] = folder
        self.changed.emit(name)
        return name


@functools.cache
def known_models() -> KnownModels:
    """Return the models that all widgets share."""
    return KnownModels()


def card(folder: Path) -> str:
    """Return the card of a model as Markdown; of an unfinished one, what is known of it.

    Raises
    ------
    FolderError
        The card is a link out of the folder.
    """
    if (folder / model_folder.CARD).exists():
        return model_folder.own_file(folder, model_folder.CARD).read_text("utf-8", "replace")
    return (
        f"# {folder.name}\n\n{pretrained.summary(folder)}\n\n"
        "There is no card: the training of this model was not finished."
    )

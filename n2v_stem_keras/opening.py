"""The one way to open a model: a ready-made one or a folder, with TensorFlow or without.

Scripts, the command line, napari and tests open models here.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path

from .escaping import escaped
from .folder import export, pretrained
from .folder.folder import EXPORT, FolderError, MissingFolder, check_trained, read_config
from .io.files import nearest, path_problem
from .prediction import engines
from .prediction.predictor import ExportedModel, Predictor


def open_model(
    name: str | os.PathLike, engine: str = "tensorflow", threads: int | None = None
) -> Predictor:
    """Open a trained model.

    Parameters
    ----------
    name : str or path
        Folder of a model, or name of a ready-made one (`N2VStem.from_pretrained` lists them). A
        folder of that name comes first.
    engine : {'tensorflow', 'onnx', 'openvino', 'auto'}
        What shall run the network; a device may follow, as in 'onnx:cuda' (see
        `Predictor.predict`). 'tensorflow' opens an `N2VStem`, which can be trained on. 'onnx'
        and 'openvino' open the folder's ONNX export as an `ExportedModel`, without TensorFlow.
        'auto' does so where there is an export and one of the two is installed, and takes
        TensorFlow otherwise.
    threads : int, optional
        Number of threads; default all cores. TensorFlow takes it before its first operation only.

    Returns
    -------
    N2VStem or ExportedModel

    Raises
    ------
    FolderError
        There is no such model, it was never trained, or its folder is damaged or suspicious.
    NoExport
        An export was asked for, and there is none, or it is of other weights.
    ImportError
        The engine is not installed.

    Warns
    -----
    UserWarning
        'auto' takes TensorFlow although there is an export; why is said.

    Examples
    --------
    >>> from n2v_stem_keras import open_model
    >>> open_model("graphene-au").config.channels
    ('ADF', 'BF')
    """
    engines.check(engine, threads)
    folder = find_folder(name)
    check_trained(folder)  # a wrong name is said before TensorFlow starts
    if engine != "tensorflow":
        exported = _without_tensorflow(folder, engine)
        if exported is not None:
            return exported
    import_tensorflow(threads)
    from .model import N2VStem

    if pretrained.is_one(folder):
        return N2VStem.from_pretrained(folder.name)
    return N2VStem(None, folder.name, folder.parent)


def find_folder(name: str | os.PathLike) -> Path:
    """Return a model folder, or that of a ready-made model.

    Raises
    ------
    FolderError
        No folder can have this name.
    MissingFolder
        There is neither; names that may have been meant are said.
    """
    if problem := path_problem(name):
        raise FolderError(f"{os.fspath(name)!r}: {problem}")
    path = Path(name)
    if path.exists():
        return Path(os.path.realpath(path))
    is_name = path.name == str(name)
    if is_name and path.name in pretrained.names():
        return pretrained.find(path.name)
    if is_name and (near := nearest(path, pretrained.names())):
        raise MissingFolder(f"{name}: no such model folder, nor a ready-made model{near}")
    read_config(path)  # says what is beside
    return path


def _without_tensorflow(folder: Path, engine: str) -> ExportedModel | None:
    """Open the export of a folder; for 'auto' None where TensorFlow has to do it."""
    if engine != "auto":
        return ExportedModel(folder)
    reason = None
    try:
        if engines.installed():
            return ExportedModel(folder)
        if (folder / EXPORT).exists():
            reason = f"{folder}: no engine for its ONNX export is installed; {engines.ADVICE}"
    except export.StaleExport as error:
        reason = str(error)
    except export.NoExport:
        pass
    if reason:
        warnings.warn(escaped(f"Using TensorFlow: {reason}"), stacklevel=3)
    return None


def import_tensorflow(threads: int | None = None) -> None:
    """Import TensorFlow without its start-up chatter.

    Its C++ side writes to the standard error before any log level applies; what it wrote is shown
    only if the import fails.
    """
    if threads:  # it is read when TensorFlow starts
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    if "tensorflow" in sys.modules:
        return
    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            chatter.seek(0)
            os.write(kept, chatter.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)

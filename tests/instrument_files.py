"""Files as microscopes write them, made of arrays: SER and EMI, EMD, MRC, DM3 and DM4.

Written from the descriptions of the formats, for tests and benchmarks; what they write is checked
with RosettaSciIO as the other side.
"""

import json
import struct

import h5py
import numpy as np

SER_TYPES = {"u1": 1, "u2": 2, "u4": 3, "i1": 4, "i2": 5, "i4": 6, "f4": 7, "f8": 8}


def write_ser(
    path,
    frames,
    pixel_size_nm=0.05,
    step_s=0,
    n_planned=None,
    kind=0x4122,
    wide=False,
    pixel_size_y_nm=None,
):
    """Write frames (T, Y, X) as one .ser file; `wide` with offsets of 64 bits."""
    frames = np.asarray(frames)
    n_frames, height, width = frames.shape
    place = "<Q" if wide else "<I"
    n_total = n_planned or n_frames
    head = struct.pack("<HHHII", 0x4949, 0x0197, 0x220 if wide else 0x210, kind, 0x4152)
    head += struct.pack("<II", n_total, n_frames)
    axis = struct.pack("<IddI", n_total, 0.0, 1.0, 0) + struct.pack("<I", 6) + b"Number"
    axis += struct.pack("<I", 0)
    start = len(head) + struct.calcsize(place) + 4 + len(axis)
    first = start + 2 * n_total * struct.calcsize(place)
    size = 50 + frames[0].nbytes + 8
    offsets = [first + t * size if t < n_frames else 0 for t in range(n_total)]
    tags = [place_ + size - 8 if place_ else 0 for place_ in offsets]
    code = SER_TYPES[frames.dtype.str[1:]]
    with open(path, "wb") as file:
        file.write(head + struct.pack(place, start) + struct.pack("<I", 1) + axis)
        file.write(struct.pack(f"<{2 * n_total}{place[1]}", *offsets, *tags))
        for t, frame in enumerate(frames):
            dx, dy = pixel_size_nm * 1e-9, (pixel_size_y_nm or pixel_size_nm) * 1e-9
            file.write(struct.pack("<ddiddihii", 0, dx, 0, 0, dy, 0, code, width, height))
            file.write(np.ascontiguousarray(frame[::-1]).tobytes())
            file.write(struct.pack("<HHI", 0x4152, 0, 1456073571 + int(t * step_s)))
    return path


def write_emi(path, volts=80000, mode="STEM nP SA Zoom Diffraction", frame_time=0.5):
    """Write the part of an .emi file that says what the microscope did."""
    path.write_bytes(
        b"JLRB\0binary before"
        + (
            "<ObjectInfo><ExperimentalConditions><MicroscopeConditions><AcceleratingVoltage>"
            f"{volts}</AcceleratingVoltage></MicroscopeConditions></ExperimentalConditions>"
            "<ExperimentalDescription><Root><Data><Label>Mode</Label><Value> "
            f"{mode}</Value><Unit></Unit></Data></Root></ExperimentalDescription><AcquireInfo><FrameTime>"
            f"{frame_time}</FrameTime></AcquireInfo></ObjectInfo>"
        ).encode()
        + b"\0binary after"
    )
    return path


def write_velox(path, images, pixel_size_nm=0.05, frame_time_s=0.5, volts=200000):
    """Write an EMD file of Velox: the frames (T, Y, X) of each detector.

    `pixel_size_nm` may be one for each detector, and each of them (y, x).
    """
    with h5py.File(path, "w") as file:
        text = h5py.string_dtype()
        file.create_dataset("Version", data=['{"format": "Velox", "version": "9"}'], dtype=text)
        for i, (name, frames) in enumerate(images.items()):
            key = f"{i:032x}"
            group = file.create_group(f"Data/Image/{key}")
            stack = np.asarray(frames).transpose(1, 2, 0)
            group.create_dataset("Data", data=stack, chunks=(*stack.shape[:2], 1))
            size = pixel_size_nm[name] if isinstance(pixel_size_nm, dict) else pixel_size_nm
            metadata = _velox_metadata(size, frame_time_s, volts, name)
            column = np.frombuffer(metadata.ljust(8000, b"\0"), np.uint8)[:, None]
            group.create_dataset("Metadata", data=np.repeat(column, stack.shape[2], 1))
            group.create_dataset("FrameLookupTable", data=np.arange(stack.shape[2], dtype="u4"))
            operation = {"dataPath": f"/Data/Image/{key}", "detector": name}
            place = f"Operations/StemInputOperation/{key}"
            file.create_dataset(place, data=[json.dumps(operation)], dtype=text)
    return path


def _velox_metadata(pixel_size_nm, frame_time_s, volts, name) -> bytes:
    y, x = np.broadcast_to(pixel_size_nm, 2) * 1e-9
    size = {"width": str(x), "height": str(y)}
    return json.dumps(
        {
            "Core": {"MetadataDefinitionVersion": "7.9"},
            "Instrument": {"InstrumentClass": "Titan"},
            "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1603977376"}},
            "Optics": {"AccelerationVoltage": str(volts), "CameraLength": "0.1"},
            "Scan": {"FrameTime": str(frame_time_s), "DwellTime": "1e-6"},
            "Detectors": {"Detector-0": {"DetectorName": name, "DetectorType": "Scanning"}},
            "BinaryResult": {
                "DetectorIndex": "0",
                "Detector": name,
                "PixelSize": size,
                "PixelUnitX": "m",
                "PixelUnitY": "m",
                "Offset": {"x": "0", "y": "0"},
            },
            "Stage": {"AlphaTilt": "0", "BetaTilt": "0", "Position": dict.fromkeys("xyz", "0")},
            "CustomProperties": {},
        }
    ).encode()


def write_berkeley(path, arrays, dims):
    """Write an EMD file of Berkeley: arrays by name; dims (name, units, places) in their order."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 2})
        for title, array in arrays.items():
            group = file.create_group(f"data/{title}")
            group.attrs["emd_group_type"] = 1
            group.create_dataset("data", data=array)
            said = dims[title] if isinstance(dims, dict) else dims
            for number, (name, units, places) in enumerate(said, 1):
                dim = group.create_dataset(f"dim{number}", data=np.asarray(places))
                dim.attrs.update({"name": np.bytes_(name), "units": np.bytes_(units.encode())})
    return path


MRC_MODES = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}


def write_mrc(path, frames, pixel_size_nm=0.05, mode=None, order="<", stamp=True, imod_flags=None):
    """Write frames (T, Y, X) as MRC2014; of mode 101 from values below 16.

    Without a stamp the file does not say its byte order; `imod_flags` are those of a file of IMOD.
    """
    frames = np.asarray(frames)
    n_frames, height, width = frames.shape
    mode = MRC_MODES[frames.dtype.str[1:]] if mode is None else mode
    y, x = np.broadcast_to(pixel_size_nm, 2)
    cell = [width * x * 10, height * y * 10, n_frames * x * 10]
    head = struct.pack(f"{order}10i", width, height, n_frames, mode, 0, 0, 0, *frames.shape[::-1])
    head += struct.pack(f"{order}6f", *cell, 90, 90, 90) + struct.pack(f"{order}3i", 1, 2, 3)
    head = head.ljust(152, b"\0")
    if imod_flags is not None:
        head += struct.pack(f"{order}2i", 1146047817, imod_flags)
    head = head.ljust(208, b"\0")
    if stamp:
        head += b"MAP " + bytes([0x44, 0x44, 0, 0] if order == "<" else [0x11, 0x11, 0, 0])
    if mode == 101:
        even = np.pad(frames.astype("u1"), [(0, 0), (0, 0), (0, width % 2)])
        values = even[..., ::2] | even[..., 1::2] << 4
    else:
        values = frames.astype(frames.dtype.newbyteorder(order))
    path.write_bytes(head.ljust(1024, b"\0") + values.tobytes())
    return path


DM_TYPES = {"i2": 1, "f4": 2, "u1": 6, "i4": 7, "i1": 9, "u2": 10, "u4": 11, "f8": 12}
DM_ELEMENTS = {"i2": 2, "i4": 3, "u2": 4, "u4": 5, "f4": 6, "f8": 7, "i1": 10, "u1": 10}


class _Gatan:
    """Tags of a .dm3 or .dm4 file: their heads in big-endian order, values in that of the file."""

    def __init__(self, version, order):
        self.order, self.long = order, ">i" if version == 3 else ">q"
        self.version = version

    def group(self, tags):
        """Pack a group of (label, tag)."""
        return b"\1\0" + struct.pack(self.long, len(tags)) + b"".join(
            self._entry(label, tag) for label, tag in tags
        )  # fmt: skip

    def _entry(self, label, tag):
        is_group = isinstance(tag, list)
        content = self.group(tag) if is_group else tag
        head = struct.pack(">BH", 20 if is_group else 21, len(label)) + label.encode()
        if self.version == 4:
            head += struct.pack(">q", len(content))
        return head + content

    def _data(self, info, values):
        said = struct.pack(f">{len(info) + 1}{self.long[1]}", len(info), *info)
        return b"%%%%" + said + values

    def number(self, code, kind, value):
        return self._data([code], struct.pack(f"{self.order}{kind}", value))

    def text(self, text):
        return self.array("u2", np.frombuffer(text.encode("utf-16-le"), "<u2"))

    def array(self, kind, values):
        values = np.asarray(values).astype(np.dtype(kind).newbyteorder(self.order))
        return self._data([20, DM_ELEMENTS[kind], values.size], values.tobytes())


def write_gatan(path, frames, version=3, order="<", data_type=None, pixel_size_nm=0.05):
    """Write frames (T, Y, X) as Gatan's .dm3 or .dm4; `data_type` instead of that of the values."""
    frames = np.asarray(frames)
    kind, tags = frames.dtype.str[1:], _Gatan(version, order)

    def long(value):
        return tags.number(5, "I", value)

    def calibration(scale, units):
        numbers = [("Origin", tags.number(6, "f", 0)), ("Scale", tags.number(6, "f", scale))]
        return [*numbers, ("Units", tags.text(units))]

    steps = [("", calibration(pixel_size_nm, "nm"))] * 2 + [("", calibration(1, ""))]
    data = [
        ("Calibrations", [("Brightness", calibration(1, "")), ("Dimension", steps)]),
        ("Data", tags.array(kind, frames.ravel())),
        ("DataType", long(DM_TYPES[kind] if data_type is None else data_type)),
        ("Dimensions", [("", long(n)) for n in frames.shape[::-1]]),
        ("PixelDepth", long(frames.itemsize)),
    ]
    image = [("ImageData", data), ("ImageTags", []), ("Name", tags.text("HAADF"))]
    root = tags.group([("ImageList", [("", image)])])
    size = struct.pack(">i" if version == 3 else ">q", len(root))
    head = struct.pack(">i", version) + size + struct.pack(">i", order == "<")
    path.write_bytes(head + root + bytes(8))
    return path

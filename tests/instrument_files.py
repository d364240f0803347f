"""Files as microscopes write them, made of arrays: .ser and .emi of TIA, EMD of Velox, MRC.

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


def write_mrc(path, frames, pixel_size_nm=0.05):
    """Write frames (T, Y, X) of 16-bit integers or float32 as MRC2014."""
    frames = np.asarray(frames)
    n_frames, height, width = frames.shape
    mode = {"i2": 1, "f4": 2, "u2": 6}[frames.dtype.str[1:]]
    y, x = np.broadcast_to(pixel_size_nm, 2)
    cell = [width * x * 10, height * y * 10, n_frames * x * 10]
    head = struct.pack("<10i", width, height, n_frames, mode, 0, 0, 0, width, height, n_frames)
    head += struct.pack("<6f", *cell, 90, 90, 90) + struct.pack("<3i", 1, 2, 3)
    head = head.ljust(208, b"\0") + b"MAP " + bytes([0x44, 0x44, 0, 0])
    path.write_bytes(head.ljust(1024, b"\0") + frames.tobytes())
    return path

"""Made cameras: node maps and grab results with the features the emulator has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.genicam import Features

Value = float | int | str | bool


class Refused(Exception):
    """What this SDK raises for a value or an access it refuses."""


class Broken(Exception):
    """What it raises when the camera fails."""


class Node:
    """One feature. ``keeps`` maps what is written to what then reads back."""

    def __init__(
        self,
        value: Value,
        *,
        low: float | None = None,
        high: float | None = None,
        step: int = 1,
        choices: tuple[str, ...] | None = None,
        writable: bool = True,
        readable: bool = True,
        keeps: Callable[[Any], Value] = lambda v: v,
        error: Exception | None = None,
    ) -> None:
        self._value = value
        self.Min = low if low is not None else -(10**9)
        self.Max = high if high is not None else 10**9
        self.Inc = step
        if choices is not None:
            self.Symbolics = choices
        self._writable, self._readable, self._keeps = writable, readable, keeps
        self._error = error
        self.writes: list[Value] = []

    def IsReadable(self) -> bool:
        return self._readable

    def IsWritable(self) -> bool:
        return self._writable

    @property
    def Value(self) -> Any:
        return self._value

    @Value.setter
    def Value(self, value: Any) -> None:
        if self._error is not None:
            raise self._error
        self.writes.append(value)
        self._value = self._keeps(value)

    def ToString(self) -> str:
        return str(int(self._value)) if isinstance(self._value, bool) else str(self._value)


class Selected(Node):
    """A feature with one value a choice of its selector."""

    def __init__(self, selector: Node, values: dict[str, Any], **more: Any) -> None:
        super().__init__("", **more)
        self._selector = selector
        self.values = values

    @property
    def Value(self) -> Any:
        return self.values[self._selector.Value]

    @Value.setter
    def Value(self, value: Any) -> None:
        self.values[self._selector.Value] = value

    def ToString(self) -> str:
        return str(self.Value)


class Nodes:
    """A node map."""

    def __init__(self, **nodes: Node) -> None:
        self.nodes = nodes

    def GetNode(self, name: str) -> Node:
        return self.nodes.get(name, Node("", readable=False, writable=False))


def features(**nodes: Node) -> Features:
    return Features(Nodes(**nodes), "24000001", (Refused,))


def triggers(**modes: str) -> dict[str, Node]:
    """Nodes of a camera whose triggers are in these modes."""
    selector = Node("FrameStart", choices=tuple(modes))
    return {
        "TriggerSelector": selector,
        "TriggerMode": Selected(selector, dict(modes), choices=("Off", "On")),
        "TriggerSource": Selected(
            selector, dict.fromkeys(modes, "Software"), choices=("Software", "Line1", "Line2")
        ),
        "TriggerActivation": Selected(
            selector, dict.fromkeys(modes, "LevelLow"), choices=("RisingEdge", "LevelLow")
        ),
    }


def modern(**changes: Node) -> Features:
    """Return a camera as USB3 Vision ones are, in working order."""
    nodes: dict[str, Node] = {
        "PixelFormat": Node("Mono12", choices=("Mono8", "Mono12", "Mono12p", "RGB8")),
        "OffsetX": Node(0, low=0, high=1280),
        "OffsetY": Node(0, low=0, high=1024),
        "Width": Node(1280, low=8, high=1280, step=8),
        "Height": Node(1024, low=2, high=1024, step=2),
        "ExposureAuto": Node("Continuous", choices=("Off", "Continuous")),
        "ExposureTime": Node(5000.0, low=20.0, high=1e7, keeps=lambda v: float(round(v))),
        "Gain": Node(0.0, low=0.0, high=36.0),
        "BlackLevel": Node(0.0, low=0.0, high=255.0),
        "AcquisitionFrameRateEnable": Node(False),
        "AcquisitionFrameRate": Node(100.0, low=0.1, high=1e6),
        "ResultingFrameRate": Node(75.0),
        "SensorReadoutTime": Node(12000.0),
        "DeviceTemperature": Node(41.25),
        "BslConversionGainMode": Node("Low", choices=("Low", "High")),
        **triggers(FrameBurstStart="Off", FrameStart="Off"),
        **changes,
    }
    return features(**nodes)


class Result:
    """A grab result. ``data`` is the whole image buffer as bytes."""

    def __init__(
        self,
        data: NDArray[Any],
        *,
        size: tuple[int, int],
        block_id: int = 0,
        timestamp: int = 0,
        padding: int = 0,
        failure: str | None = None,
        chunks: dict[str, Value] | None = None,
    ) -> None:
        self._data = np.ascontiguousarray(data).view(np.uint8).ravel()
        self._height, self._width = size
        self._block_id, self._timestamp, self._padding = block_id, timestamp, padding
        self._failure, self._chunks = failure, chunks

    def GrabSucceeded(self) -> bool:
        return self._failure is None

    def GetErrorDescription(self) -> str:
        if self._failure == "mojibake":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        return self._failure or ""

    def GetErrorCode(self) -> int:
        return 0xE1000014

    def GetBlockID(self) -> int:
        return self._block_id

    def GetTimeStamp(self) -> int:
        return self._timestamp

    def GetHeight(self) -> int:
        return self._height

    def GetWidth(self) -> int:
        return self._width

    def GetPaddingX(self) -> int:
        return self._padding

    def GetImageMemoryView(self) -> memoryview:
        return memoryview(self._data)

    def IsChunkDataAvailable(self) -> bool:
        return self._chunks is not None

    def GetChunkNode(self, name: str) -> Node:
        if self._chunks is None or name not in self._chunks:
            return Node("", readable=False)
        return Node(self._chunks[name])

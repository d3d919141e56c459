"""A seeded optical model of a surgical field: paired NIR and white-light frames, and the truth."""

from hardware.phantom.camera import PhantomCamera
from hardware.phantom.optics import seen_contrast
from hardware.phantom.phantom import Phantom
from hardware.phantom.scene import (
    Breathing,
    Channel,
    Drift,
    Flicker,
    Injection,
    Instrument,
    InstrumentPose,
    LightStep,
    Node,
    Scene,
    Uptake,
)
from hardware.phantom.scenes import SCENE_NAMES, scene_named
from hardware.phantom.truth import NodeTruth, Truth

__all__ = [
    "SCENE_NAMES",
    "Breathing",
    "Channel",
    "Drift",
    "Flicker",
    "Injection",
    "Instrument",
    "InstrumentPose",
    "LightStep",
    "Node",
    "NodeTruth",
    "Phantom",
    "PhantomCamera",
    "Scene",
    "Truth",
    "Uptake",
    "scene_named",
    "seen_contrast",
]

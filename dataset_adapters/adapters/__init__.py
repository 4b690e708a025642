"""The adapters by name. A module is imported when its adapter is asked for."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from typing import Any

from skeleton_defs import UserError

from ..adapter import Adapter

#: Adapter name -> "module:class" in this package.
_CLASSES = {
    "muco": "muco:MuCo",
    "panoptic": "panoptic:Panoptic",
    "aist": "aist:Aist",
    "humbi": "humbi:Humbi",
    "mpi_inf_3dhp": "mpi_inf_3dhp:MpiInf3dhp",
    "rich": "rich:Rich",
    "behave": "behave:Behave",
    "aspset": "aspset:AspSet",
    "3doh50k": "threedoh50k:ThreeDoh50k",
    "ikea_asm": "ikea_asm:IkeaAsm",
    "h36m": "h36m:H36M",
    "totalcapture": "totalcapture:TotalCapture",
    "bmlmovi": "bmlmovi:BmlMovi",
    "berkeley_mhad": "berkeley_mhad:BerkeleyMhad",
    "umpm": "umpm:Umpm",
    "fit3d": "fit3d:Fit3d",
    "gpa": "gpa:Gpa",
    "humansc3d": "humansc3d:HumanSc3d",
    "chi3d": "chi3d:Chi3d",
    "human4d": "human4d:Human4d",
    "mads": "mads:Mads",
    "surreal": "surreal:Surreal",
    "3dpeople": "threedpeople:ThreeDPeople",
    "jta": "jta:Jta",
    "hspace": "hspace:HSpace",
    "sailvos": "sailvos:SailVos",
    "agora": "agora:Agora",
    "spec": "spec:Spec",
    "coco": "coco:Coco",
    "mpii": "mpii:Mpii",
    "posetrack": "posetrack:PoseTrack",
    "jrdb": "jrdb:Jrdb",
    "3dpw": "threedpw:ThreeDpw",
    "mupots": "mupots:MuPoTS",
    "amass": "amass:Amass",
    "h3wb": "h3wb:H3wb",
    "ntu_rgbd": "ntu_rgbd:NtuRgbd",
    "custom": "custom:Custom",
}


def list_adapters() -> list[str]:
    """Returns the names of all adapters."""
    return list(_CLASSES)


def get_adapter(name: str, **options: Any) -> Adapter:
    """Returns the adapter of a dataset, with options (see `adapter_class(name)`'s fields).

    Raises:
      UserError: there is no such adapter, or it has no such option.
    """
    made = adapter_class(name)
    known = [f.name for f in dataclasses.fields(made)]
    for given in options:
        if given not in known:
            listed = ", ".join(known) or "none"
            raise UserError(f"{name} has no option {given!r}; its options: {listed}")
    return made(**options)


def adapter_class(name: str) -> type[Adapter]:
    """Returns the class of an adapter.

    Raises:
      UserError: there is no such adapter (the nearest names are suggested).
    """
    if name not in _CLASSES:
        near = difflib.get_close_matches(name, _CLASSES, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"no dataset adapter is named {name!r}{hint} (skelbridge datasets list)")
    module, _, attribute = _CLASSES[name].partition(":")
    return getattr(importlib.import_module(f".{module}", __name__), attribute)

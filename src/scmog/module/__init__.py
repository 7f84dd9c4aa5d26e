"""The scvi-tools module of scMOG."""

from scmog.module._config import ModuleConfig, replace_checked
from scmog.module._scmog_module import SCMOGModule
from scmog.module._translator import Translator

__all__ = ["ModuleConfig", "SCMOGModule", "Translator", "replace_checked"]

"""Python environments with the packages that an agent asks for: built once, whole or not at all, and found again.

docs/environments.md says what is promised. Importing this room needs the extra `env`.
"""

from . import _extra as _extra
from ._errors import EnvErrorContext as EnvErrorContext
from ._errors import EnvErrorReason as EnvErrorReason
from ._errors import PythonEnvError as PythonEnvError
from ._events import BuildStep as BuildStep
from ._events import EnvBuildFailed as EnvBuildFailed
from ._events import EnvBuilt as EnvBuilt
from ._events import EnvDiscarded as EnvDiscarded
from ._events import EnvInstallerSaid as EnvInstallerSaid
from ._events import EnvProgress as EnvProgress
from ._folder import EnvInfo as EnvInfo
from ._folder import Removed as Removed
from ._folder import check_env as check_env
from ._folder import gc as gc
from ._folder import list_envs as list_envs
from ._installer import find_uv as find_uv
from ._manager import PythonEnvManager as PythonEnvManager
from ._place import PythonEnv as PythonEnv
from ._place import default_base as default_base
from ._python import Interpreter as Interpreter
from ._python import interpreters as interpreters
from ._request import requirements_in as requirements_in

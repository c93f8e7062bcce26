"""Agents as data: instructions, tools, dependencies and outputs that come as JSON, held to their schemas, and what they reach.

docs/tools.md says what is promised. Templates need the extra `templates`, schemas the extra `schemas`.
"""

from ._blueprint import AgentBlueprint as AgentBlueprint
from ._blueprint import TemplateInstructions as TemplateInstructions
from ._errors import InvalidDeps as InvalidDeps
from ._errors import InvalidTemplate as InvalidTemplate
from ._errors import TargetMismatch as TargetMismatch
from ._errors import UnknownTarget as UnknownTarget
from ._errors import UnknownVariable as UnknownVariable
from ._structured import deps_from as deps_from
from ._structured import structured_dict as structured_dict
from ._template import Template as Template
from ._tool_data import FunctionTarget as FunctionTarget
from ._tool_data import ServerTarget as ServerTarget
from ._tool_data import Targets as Targets
from ._tool_data import ToolBlueprint as ToolBlueprint
from ._tool_data import toolset_of as toolset_of

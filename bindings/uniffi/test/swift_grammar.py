"""Whether files keep Swift's grammar, as far as tree-sitter knows it: python swift_grammar.py FILE..."""

import sys
from pathlib import Path

import tree_sitter
import tree_sitter_swift


def faults(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    if not node.has_error:
        return []
    below = [fault for child in node.children for fault in faults(child)]
    return below or [node]


parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
found = 0
for path in map(Path, sys.argv[1:]):
    # An attribute that the grammar lacks.
    text = path.read_bytes().replace(b"@_documentation(visibility: private)", b"")
    for fault in faults(parser.parse(text).root_node):
        found += 1
        print(f"{path}:{fault.start_point[0] + 1}: {fault.text.decode()[:80]!r}", file=sys.stderr)
sys.exit(found > 0)

//! What the law on Python imports refuses.

use std::collections::BTreeMap;

use super::check;
use crate::settings::Settings;
use crate::tidy::sample::{python, settings};

fn table() -> Settings {
    let row = |name: &str, allowed: &[&str]| (name.to_owned(), allowed.iter().map(|name| (*name).to_owned()).collect());
    Settings {
        python: BTreeMap::from([
            row("trygon", &["trygon._core", "trygon.exceptions"]),
            row("trygon._core", &["trygon._native", "trygon.exceptions"]),
            row("trygon.exceptions", &[]),
            row("trygon.util", &["trygon"]),
            row("trygon.integrations", &["trygon", "trygon.util"]),
        ]),
        ..settings()
    }
}

fn items(path: &str, text: &str) -> Vec<String> {
    check(&python(&[(path, text)]), &table()).into_iter().map(|finding| finding.item).collect()
}

#[test]
fn only_the_core_imports_the_extension() {
    assert!(
        items("python/trygon/_core/init.py", "from trygon import _native\nfrom trygon._native import Engine\n")
            .is_empty()
    );
    assert_eq!(items("python/trygon/util/queue.py", "import trygon._native\n"), ["trygon._native"]);
    assert_eq!(items("python/trygon/util/queue.py", "from trygon._core.init import x\n"), ["trygon._core.init.x"]);
    assert!(items("python/trygon/util/queue.py", "import trygon\nfrom trygon import get\n").is_empty());
}

#[test]
fn the_core_imports_nothing_above_it() {
    assert_eq!(items("python/trygon/_core/a.py", "import trygon\n"), ["trygon"]);
    assert_eq!(items("python/trygon/_core/a.py", "from trygon.util.queue import Queue\n"), ["trygon.util.queue.Queue"]);
    assert!(items("python/trygon/_core/a.py", "from . import b\nfrom .c import (\n    d,\n    e,\n)\n").is_empty());
    assert_eq!(items("python/trygon/_core/a.py", "from .. import util\n"), ["trygon.util"]);
}

#[test]
fn imports_inside_functions_are_refused_but_for_types_and_integrations() {
    let text = "def f():\n    from trygon.exceptions import E\n";
    assert_eq!(items("python/trygon/data/a.py", text), ["trygon.exceptions.E"]);
    assert!(items("python/trygon/_core/a.py", text).is_empty());
    let text = "if TYPE_CHECKING:\n    from trygon.exceptions import E\n";
    assert!(items("python/trygon/_core/a.py", text).is_empty());
    assert!(items("python/trygon/integrations/torch.py", "def f():\n    import trygon\n    import torch\n").is_empty());
}

#[test]
fn words_in_strings_are_no_imports() {
    assert!(items("python/trygon/_core/a.py", "\"\"\"Says:\n\nimport trygon\n\"\"\"\n").is_empty());
}

#[test]
fn a_public_package_sorts_its_names() {
    let body = |names: &str| format!("from trygon._core.init import a\n\n__all__ = [{names}]\n");
    assert!(items("python/trygon/__init__.py", &body("\"a\", \"b\"")).is_empty());
    assert_eq!(items("python/trygon/__init__.py", &body("\"b\", \"a\"")), ["__all__"]);
    assert_eq!(items("python/trygon/__init__.py", "from trygon._core.init import a\n"), ["__all__"]);
}

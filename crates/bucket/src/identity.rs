//! Which process of which machine writes, so that the next one on the same machine knows whether it still lives.

use std::path::Path;

/// A process, as it is told from all others: its machine's start, its world of process numbers, its number and its own start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    boot: String,
    world: String,
    pid: u32,
    started: String,
}

impl Identity {
    /// This process.
    pub(crate) fn own() -> Option<Self> {
        let pid = std::process::id();
        Some(Self { boot: boot()?, world: world()?, pid, started: started(pid)? })
    }

    /// As text, a line each.
    pub(crate) fn text(&self) -> String {
        let Self { boot, world, pid, started } = self;
        format!("trygon\n{boot}\n{world}\n{pid}\n{started}\n")
    }

    /// Reads what `text` wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::to_owned);
        let _title = lines.next().filter(|title| title == "trygon")?;
        let (boot, world) = (lines.next()?, lines.next()?);
        Some(Self { boot, world, pid: lines.next()?.parse().ok()?, started: lines.next()? })
    }

    /// Whether that process lives; `None` if it cannot be known from here.
    pub(crate) fn lives(&self) -> Option<bool> {
        if boot()? != self.boot || world()? != self.world {
            return None;
        }
        Some(started(self.pid).is_some_and(|started| started == self.started))
    }
}

fn boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Processes of two containers may have the same number.
fn world() -> Option<String> {
    std::fs::read_link("/proc/self/ns/pid").ok().map(|link| link.display().to_string())
}

/// When a process started, in the kernel's ticks; `None` when there is none, or only its remains.
fn started(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::Identity;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = Identity::own().expect("this is Linux");
        assert_eq!(Identity::read(&own.text()), Some(own.clone()));
        assert_eq!(own.lives(), Some(true));
        let other = Identity { started: "1".to_owned(), ..own.clone() };
        assert_eq!(other.lives(), Some(false), "another process has its number");
        assert_eq!(Identity { boot: "another".to_owned(), ..own }.lives(), None);
        assert_eq!(Identity::read("something\nelse"), None);
    }
}

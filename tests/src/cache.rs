//! A folder outside the tree for what is fetched or built once.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The value of an environment variable.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the tests read their environment"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// The cache folder: `ROADSTEAD_TEST_CACHE`, or `~/.cache/roadstead`.
///
/// # Errors
/// When neither it nor a home folder is set, or it cannot be made.
pub fn folder() -> Result<PathBuf> {
    let folder = match (variable("ROADSTEAD_TEST_CACHE"), variable("HOME")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => Path::new(&home).join(".cache/roadstead"),
        (None, None) => anyhow::bail!("neither ROADSTEAD_TEST_CACHE nor HOME is set"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// Fills `folder/name` once with what `fill` puts into the empty folder that it is given. Test
/// processes run side by side: one fills, the others wait for its lock.
///
/// # Errors
/// When `fill` fails; nothing is left behind then.
pub fn once(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let root = folder()?;
    let target = root.join(name);
    let lock = std::fs::File::create(root.join(format!("{name}.lock"))).context("make the lock")?;
    lock.lock().context("lock the cache")?;
    if target.is_dir() {
        return Ok(target);
    }
    let part = root.join(format!("{name}.part"));
    if part.is_dir() {
        std::fs::remove_dir_all(&part).context("remove an unfinished folder")?;
    }
    std::fs::create_dir_all(&part).context("make a folder")?;
    fill(&part)?;
    std::fs::rename(&part, &target).context("put the folder in its place")?;
    Ok(target)
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or fails; its last words are in the error.
pub fn run(command: &mut std::process::Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("start {shown}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        let words = text(&output.stderr);
        let tail: Vec<&str> = words.lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        anyhow::bail!("{shown}: {}\n{}", output.status, tail.join("\n"));
    }
    Ok(text(&output.stdout))
}

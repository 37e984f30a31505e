//! The licenses of all that is linked into the native library, with their texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use sluice_testkit::{Context, Result};

use super::crates::Crate;

/// How the names of files with a license's text begin.
const TEXTS: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
const CODE: [&str; 5] = ["rs", "toml", "json", "html", "py"];

/// Something that is linked, and no crate of ours.
#[derive(Clone)]
pub struct Part {
    pub name: String,
    pub version: String,
    pub license: String,
    pub texts: Vec<PathBuf>,
}

impl Part {
    pub fn of(linked: &Crate) -> Result<Self> {
        let mut texts = Vec::new();
        find(&linked.folder, &mut texts)?;
        let (name, version) = linked.id.clone();
        Ok(Part { name, version, license: linked.license.clone(), texts })
    }
}

/// The report: a table, and then each text once, with those that it is of.
pub fn report(version: &str, parts: &[Part]) -> Result<String> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for part in parts {
        for file in &part.texts {
            let text = String::from_utf8_lossy(&fs::read(file).at(file)?).into_owned();
            let name = format!("{} {}", part.name, part.version);
            texts.entry(normal(&text)).or_default().insert(name);
        }
    }
    let mut report = format!(
        "Sluice {version} is under the Apache License 2.0, see LICENSE. Its native library has parts by others:\n\n"
    );
    let width = parts.iter().map(|part| part.name.len() + part.version.len() + 1).max().unwrap_or(0);
    for part in parts {
        let name = format!("{} {}", part.name, part.version);
        let lacks = if part.texts.is_empty() { "  (no text comes with it)" } else { "" };
        let _ = writeln!(report, "{name:width$}  {}{lacks}", part.license);
    }
    for (text, names) in texts {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let _ = write!(report, "\n{}\n{names}:\n\n{text}\n", "-".repeat(80));
    }
    Ok(report)
}

/// Without what differs between copies of one text: line ends, and spaces at the ends of lines and of the text.
fn normal(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

fn find(folder: &Path, texts: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<_> =
        fs::read_dir(folder).at(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    let all_are = folder.file_name().is_some_and(|name| name.eq_ignore_ascii_case("LICENSES"));
    let found: Vec<_> = entries.iter().filter(|path| path.is_file() && (all_are || is_text(path))).collect();
    let only_copying = found.iter().all(|path| name(path).starts_with("COPYING"));
    for path in found {
        // Beside a LICENSE it says which licenses there are; of zstd it is the one that is not taken.
        if only_copying || !name(path).starts_with("COPYING") {
            texts.push(path.clone());
        }
    }
    for folder in entries.iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        find(folder, texts)?;
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    let code = path.extension().is_some_and(|extension| CODE.iter().any(|code| extension == *code));
    !code && TEXTS.iter().any(|start| name(path).starts_with(start))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::super::crates::tests::id;
    use super::*;

    #[test]
    fn each_text_is_there_once_with_all_that_it_is_of() {
        let root = std::env::temp_dir().join(format!("xtask-licenses-{}", std::process::id()));
        let files = [
            ("a/LICENSE-MIT", "Copyright A\r\n\r\nMIT  \r\n"),
            ("a/src/license.rs", "fn license() {}"),
            ("b/License.txt", "\nCopyright A\n\nMIT"),
            ("b/COPYING", "one of two"),
            ("b/deep/er/NOTICE", "made by B"),
            ("c/src/lib.rs", ""),
            ("d/COPYING", "the only one"),
            ("d/LICENSES/MIT.txt", "in a folder"),
        ];
        for (file, text) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let part = |name: &str| {
            Part::of(&Crate {
                id: id(name, "1.0.0"),
                license: format!("license of {name}"),
                folder: root.join(name),
                checksum: None,
                needs: BTreeSet::new(),
            })
            .unwrap()
        };
        let report = report("0.1.0", &["a", "b", "c", "d"].map(part)).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert!(report.contains("\na 1.0.0, b 1.0.0:\n\nCopyright A\n\nMIT\n"), "{report}");
        assert!(report.contains("\nb 1.0.0:\n\nmade by B\n"), "{report}");
        assert!(report.contains("\nd 1.0.0:\n\nthe only one\n"), "{report}");
        assert!(report.contains("\nd 1.0.0:\n\nin a folder\n"), "{report}");
        assert!(report.contains("\nc 1.0.0  license of c  (no text comes with it)\n"), "{report}");
        assert!(!report.contains("one of two") && !report.contains("fn license"), "{report}");
    }
}

//! Files that are whole or not there: written under a temporary name beside the target, then renamed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::failure::Failure;

/// A file to be written, checked before the work begins.
pub struct Output {
    /// The path as the user gave it, for messages.
    shown: String,
    target: Target,
    /// Where a write fails, for tests.
    #[cfg(test)]
    full_after: Option<usize>,
}

enum Target {
    /// A regular file, or none yet: written beside it and renamed. Links are followed.
    File(PathBuf),
    /// A device or pipe, which a rename would replace: written as it is.
    Special(PathBuf),
}

impl Output {
    /// Checks that `path` can be written, without touching it: not a directory, its folder exists and takes new
    /// files, and it is none of the files `inputs`, which writing would destroy.
    pub fn check(path: &Path, inputs: &[&Path]) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let wrong = |message: String| Failure::input(format!("{shown}: {message}"));
        if path.file_name().is_none() {
            return Err(wrong("expected the name of a file to write".into()));
        }
        if shown == "-" {
            return Err(wrong("expected the name of a file to write; one of this name is ./-".into()));
        }
        let real = fs::canonicalize(path).ok();
        let clash = |input: &&&Path| real.is_some() && fs::canonicalize(input).ok() == real;
        if let Some(input) = inputs.iter().find(clash) {
            return Err(wrong(format!("expected another file than {}, which is read", input.display())));
        }
        let target = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                return Err(wrong("expected a file to write, found a directory".into()));
            }
            Ok(meta) if meta.is_file() && meta.permissions().readonly() => {
                return Err(wrong("expected a file that may be written, found a read-only one".into()));
            }
            Ok(meta) if meta.is_file() => Target::File(real.unwrap_or_else(|| path.to_owned())),
            Ok(_) => Target::Special(path.to_owned()),
            Err(_) if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) => {
                return Err(wrong("expected a file to write, found a link to nothing".into()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Target::File(path.to_owned()),
            Err(error) => return Err(wrong(format!("expected a file to write, found: {error}"))),
        };
        if let Target::File(file) = &target {
            let folder = folder_of(file);
            if !folder.exists() {
                return Err(wrong(format!(
                    "expected a file in a folder that exists, found none: there is no folder {}",
                    folder.display()
                )));
            }
            temporary(file).map_err(|error| {
                wrong(format!("expected a folder that takes new files, found: {}", error.kind()))
            })?;
        }
        Ok(Self {
            shown,
            target,
            #[cfg(test)]
            full_after: None,
        })
    }

    /// Removes what writes of this file have left that were killed half-way. Only for a file that nobody else writes now.
    pub fn tidy(&self) {
        let Target::File(path) = &self.target else { return };
        let prefix = prefix(path);
        let entries = fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(prefix.as_encoded_bytes()) && name.ends_with(SUFFIX.as_bytes()) {
                // One that cannot be removed does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes the whole file, or leaves what was there.
    pub fn write(&self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let written = match &self.target {
            Target::File(path) => write_and_rename(path, fill, |file| self.device(file)),
            Target::Special(path) => File::options().write(true).open(path).and_then(|file| {
                let mut writer = BufWriter::new(file);
                fill(&mut writer)?;
                writer.flush()
            }),
        };
        written.map_err(|error| Failure::input(format!("{}: cannot be written: {error}", self.shown)))
    }
}

/// Where the bytes go.
impl Output {
    #[cfg(not(test))]
    fn device<'f>(&self, file: &'f File) -> Box<dyn Write + 'f> {
        Box::new(file)
    }

    /// As a disk that is full after some bytes.
    #[cfg(test)]
    fn device<'f>(&self, file: &'f File) -> Box<dyn Write + 'f> {
        match self.full_after {
            Some(room) => Box::new(tests::Full { file, room }),
            None => Box::new(file),
        }
    }
}

/// The end of temporary names.
const SUFFIX: &str = ".bptt-tmp";

/// The beginning of the temporary names for `path`: its own name after a dot, if it is not so long that nothing fits behind.
fn prefix(path: &Path) -> OsString {
    const LONGEST: usize = 200;
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().filter(|name| name.len() <= LONGEST).unwrap_or_default());
    prefix.push(".");
    prefix
}

/// An empty file beside `path`, removed when dropped.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    let prefix = prefix(path);
    builder.prefix(&prefix).suffix(SUFFIX);
    #[cfg(unix)]
    {
        // As any new file: what the umask leaves of rw-rw-rw-. The default is for secrets.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(path))
}

/// Writes through `device`, which is the file itself but for tests.
fn write_and_rename(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    device: impl for<'f> FnOnce(&'f File) -> Box<dyn Write + 'f>,
) -> io::Result<()> {
    let file = temporary(path)?;
    if let Ok(old) = fs::metadata(path) {
        fs::set_permissions(file.path(), old.permissions())?;
    }
    {
        let mut writer = BufWriter::new(device(file.as_file()));
        fill(&mut writer)?;
        writer.flush()?;
    }
    // On the disk before the name points to it, so that a crash leaves the old file or the new one.
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(path);
    Ok(())
}

/// The new name too, so that a crash does not bring the old file back. Where a folder cannot be synchronised (some network
/// file systems), either file is there, whole, all the same.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = path;
}

/// The folder that `path` is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, "old").unwrap();
        let output = Output::check(&path, &[]).unwrap();
        let failed = output.write(|writer| {
            writer.write_all(b"half")?;
            Err(io::Error::other("no space"))
        });
        assert!(failed.unwrap_err().to_string().contains("no space"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        output.write(|writer| writer.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    /// A disk with room for so many bytes.
    pub struct Full<'f> {
        pub file: &'f File,
        pub room: usize,
    }

    impl Write for Full<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let written = self.file.write(&bytes[..bytes.len().min(self.room)])?;
            self.room -= written;
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.file.flush()
        }
    }

    /// `fill` fails at every byte, and then does not.
    fn fails_everywhere(name: &str, fill: impl Fn(&Output) -> Result<(), Failure>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, "old").unwrap();
        let mut output = Output::check(&path, &[]).unwrap();
        for room in 0.. {
            output.full_after = Some(room);
            let written = fill(&output);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{name}, byte {room}");
            let found = fs::read(&path).unwrap();
            match written {
                Ok(()) => {
                    assert_eq!(found.len(), room, "{name}");
                    break;
                }
                Err(failure) => {
                    assert!(failure.to_string().contains("cannot be written"), "{failure}");
                    assert_eq!(found, b"old", "{name}, byte {room}");
                }
            }
        }
    }

    #[test]
    fn a_write_that_fails_at_any_byte_leaves_the_old_file() {
        use bptt::file::{Checkpoint, Metadata, ModelFile};
        let mut data = bptt::Dataset::<f32>::new(1, 1).unwrap();
        data.push(&[1.0, 2.0], &[0.0, 1.0]).unwrap();
        let model = bptt::DynRnn::new(1, 1, 1, bptt::Activation::Tanh, 1).unwrap();
        let bytes =
            ModelFile { model: model.clone().into(), metadata: Metadata::default() }.to_bytes().unwrap();
        fails_everywhere("model", |output| output.write(|writer| writer.write_all(&bytes)));
        let mut trainer = bptt::Trainer::new(model, bptt::TrainConfig::default()).unwrap();
        let stats = trainer.epoch(&data).unwrap();
        let bytes = Checkpoint::new(trainer.state().unwrap().into()).to_bytes().unwrap();
        fails_everywhere("checkpoint", |output| output.write(|writer| writer.write_all(&bytes)));
        let history = vec![(stats, 0.5); 20];
        for name in ["history.csv", "history.jsonl"] {
            fails_everywhere(name, |output| crate::history::write(output, Some(Path::new(name)), &history));
        }
        // A report is one text, written as the model is.
        let page = "<p>report</p>\n".repeat(100);
        fails_everywhere("report.html", |output| output.write(|writer| writer.write_all(page.as_bytes())));
    }

    #[test]
    fn what_killed_writes_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let output = Output::check(&path, &[]).unwrap();
        let left = temporary(&path).unwrap().into_temp_path().keep().unwrap();
        let other = temporary(&folder.path().join("kept2")).unwrap().into_temp_path().keep().unwrap();
        fs::write(folder.path().join(".kept.bptt"), "").unwrap();
        output.write(|writer| writer.write_all(b"new")).unwrap();
        assert!(left.exists() && path.exists());
        output.tidy();
        assert!(!left.exists() && path.exists() && other.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        // Names may be as long as file systems take them.
        let long = folder.path().join("n".repeat(255));
        Output::check(&long, &[]).unwrap().write(|writer| writer.write_all(b"new")).unwrap();
    }

    #[test]
    fn directories_missing_folders_and_inputs_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path, inputs: &[&Path]| Output::check(path, inputs).err().unwrap().to_string();
        assert!(message(folder.path(), &[]).contains("directory"));
        let none = folder.path().join("none");
        let expected = format!("there is no folder {}", none.display());
        assert!(message(&none.join("out"), &[]).ends_with(&expected), "{}", message(&none.join("out"), &[]));
        assert!(message(&none.join("deeper/out"), &[]).ends_with("none/deeper"));
        let data = folder.path().join("data.csv");
        fs::write(&data, "x").unwrap();
        assert!(message(&data, &[&data]).contains("another file"));
        let mut permissions = fs::metadata(&data).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&data, permissions).unwrap();
        assert!(message(&data, &[]).contains("read-only"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_device_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Output::check(&link, &[]).unwrap().write(|writer| writer.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
        assert!(Output::check(&folder.path().join("dangling"), &[]).is_err());
        let full = Output::check(Path::new("/dev/full"), &[]).unwrap();
        assert!(full.write(|writer| writer.write_all(&[0; 100_000])).is_err());
    }
}

//! Gets public data into the cache folder, once.

use super::Result;
use super::install;
use super::tool;
use std::path::PathBuf;
use std::process::Command;

const PACKAGE: &str = "vega-datasets@3.2.1";
const FILE: &str = "package/data/flights-3m.parquet";

/// Three million flights in the USA, January to June 2001, in the order of their time: a Parquet file with `date`, `delay`,
/// `distance`, `origin` and `destination`.
pub fn flights() -> Result<PathBuf> {
    let folder = install::cache("flights")?;
    install::once(&folder, PACKAGE, || {
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination"]).arg(&folder).arg(PACKAGE);
        install::run(&mut pack, &tool::install_line())?;
        let packed = folder.join(PACKAGE.replace('@', "-") + ".tgz");
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(&packed).arg("-C").arg(&folder).arg(FILE);
        install::run(&mut unpack, "apt-get install -y tar")?;
        std::fs::remove_file(&packed).map_err(|e| format!("{}: {e}", packed.display()))
    })?;
    Ok(folder.join(FILE))
}

//! Where a URL points to, and the options that open it.

use super::{Backend, Storage, runtime};
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};
use hdfs_native_object_store::HdfsObjectStoreBuilder;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use std::path::{Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Options of every storage, for connectors and catalogs to add to their own.
pub const STORAGE_OPTIONS: &[OptionSpec] = &[
    OptionSpec::optional("s3.endpoint", OptionKind::Text, "URL of an S3 service other than Amazon's"),
    OptionSpec::optional("s3.region", OptionKind::Text, "region of the bucket; else AWS_REGION, else us-east-1"),
    OptionSpec::optional("s3.access-key-id", OptionKind::Text, "access key; else AWS_ACCESS_KEY_ID"),
    OptionSpec::optional("s3.access-key", OptionKind::Text, "another name of s3.access-key-id"),
    OptionSpec::optional("s3.secret-access-key", OptionKind::Text, "secret key; else AWS_SECRET_ACCESS_KEY"),
    OptionSpec::optional("s3.secret-key", OptionKind::Text, "another name of s3.secret-access-key"),
    OptionSpec::optional("s3.session-token", OptionKind::Text, "token of temporary keys"),
    OptionSpec::optional(
        "s3.path-style-access",
        OptionKind::Bool,
        "whether the bucket stands in the path; the default is true with s3.endpoint, else false",
    ),
    OptionSpec::optional("hadoop.*", OptionKind::Text, "Hadoop client settings such as hadoop.dfs.ha.namenodes.ns1"),
];

/// A parsed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Local(PathBuf),
    S3 { bucket: String, prefix: String },
    Hdfs { authority: String, path: String },
}

fn invalid(url: &str, what: &str) -> Error {
    Error::invalid("storage.url", format!("URL \"{url}\" {what}"))
        .hint("write file:///folder, a bare path, s3://bucket/prefix or hdfs://host:port/path")
}

impl Location {
    /// Text is taken literally, as Hadoop and Iceberg do: `%20` is three characters.
    pub(super) fn parse(url: &str) -> Result<Self> {
        if url.contains('\0') {
            return Err(invalid(&url.replace('\0', "\\0"), "has a NUL character"));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            // Java's short form.
            return local(url.strip_prefix("file:").unwrap_or(url), url);
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            let (_, host) = authority.rsplit_once('@').unwrap_or_default();
            return Err(invalid(&format!("{scheme}://***@{host}/{path}"), "carries a user or a secret")
                .hint("give credentials as options or in the environment"));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "file" if authority.is_empty() || authority == "localhost" => local(&format!("/{path}"), url),
            "file" => Err(invalid(url, "names another machine")),
            "s3" | "s3a" | "s3n" if authority.is_empty() => Err(invalid(url, "names no bucket")),
            "s3" | "s3a" | "s3n" => Ok(Location::S3 { bucket: authority.to_string(), prefix: tidy(path, url)? }),
            "hdfs" if authority.is_empty() => Err(invalid(url, "names no name node")),
            "hdfs" => Ok(Location::Hdfs { authority: authority.to_string(), path: tidy(path, url)? }),
            other => Err(Error::unsupported("storage.scheme", format!("no storage for the scheme \"{other}\""))
                .hint("use file://, s3:// or hdfs://")),
        }
    }

    /// The normal form of the URL, without a slash at its end.
    pub(super) fn url(&self) -> String {
        match self {
            Location::Local(path) => format!("file://{}", path.display()).trim_end_matches('/').to_string(),
            Location::S3 { bucket, prefix } => join(&format!("s3://{bucket}"), prefix),
            Location::Hdfs { authority, path } => join(&format!("hdfs://{authority}"), path),
        }
    }
}

fn join(before: &str, path: &str) -> String {
    if path.is_empty() { before.to_string() } else { format!("{before}/{path}") }
}

/// A path without slashes at its ends and without double ones.
fn tidy(path: &str, url: &str) -> Result<String> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.contains(&"..") {
        return Err(invalid(url, "goes up with \"..\""));
    }
    Ok(parts.join("/"))
}

fn local(path: &str, url: &str) -> Result<Location> {
    if path.is_empty() {
        return Err(invalid(url, "is empty"));
    }
    let absolute = std::path::absolute(path).map_err(|e| invalid(url, &format!("has no absolute form: {e}")))?;
    // `..` is taken away by name: what a URL means must not depend on links that come and go.
    let mut clean = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    if clean.to_str().is_none() {
        return Err(invalid(&clean.display().to_string(), "is not UTF-8"));
    }
    Ok(Location::Local(clean))
}

pub(super) fn open(location: Location, options: &Options) -> Result<Storage> {
    let url = location.url();
    let (backend, store, base, secrets): (Backend, Arc<dyn ObjectStore>, String, Vec<String>) = match location {
        Location::Local(root) => {
            let base = root.to_str().expect("a parsed location is UTF-8").trim_start_matches('/').to_string();
            (Backend::Local(root), Arc::new(LocalFileSystem::new()), base, Vec::new())
        }
        Location::S3 { bucket, prefix } => {
            let (builder, secrets) = s3_builder(&bucket, options)?;
            let s3 = Arc::new(builder.build().map_err(|e| {
                Error::invalid("storage.s3", super::hide(&secrets, &e.to_string()))
                    .hint("check the options that begin with \"s3.\"")
            })?);
            (Backend::S3(Arc::clone(&s3)), s3, prefix, secrets)
        }
        Location::Hdfs { authority, path } => {
            let mut builder = HdfsObjectStoreBuilder::new()
                .with_url(format!("hdfs://{authority}"))
                .with_io_runtime(runtime().handle().clone());
            let hadoop = options.with_prefix("hadoop.");
            if !hadoop.is_empty() {
                builder = builder.with_config(hadoop.iter().map(|(k, v)| (k.to_string(), v.to_string())));
            }
            let hdfs = Arc::new(builder.build().map_err(|e| {
                Error::invalid("storage.hdfs", format!("HDFS at \"{authority}\" cannot be opened: {e}"))
                    .hint("write hdfs://host:port, or point HADOOP_CONF_DIR to the cluster's configuration")
            })?);
            (Backend::Hdfs(Arc::clone(&hdfs)), hdfs, path, Vec::new())
        }
    };
    let base = Path::parse(&base).map_err(|e| invalid(&url, &format!("is no valid path: {e}")))?;
    Ok(Storage { backend, store, base, url, secrets: secrets.into() })
}

fn s3_builder(bucket: &str, options: &Options) -> Result<(AmazonS3Builder, Vec<String>)> {
    let either = |a: &str, b: &str| options.get(a).or_else(|| options.get(b)).map(str::to_string);
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_allow_http(true);
    builder = builder.with_retry(object_store::RetryConfig {
        max_retries: 5,
        // The job retries by itself and says so; a call must not hang for minutes.
        retry_timeout: Duration::from_secs(30),
        ..Default::default()
    });
    if let Some(endpoint) = options.get("s3.endpoint") {
        let endpoint = if endpoint.contains("://") { endpoint.to_string() } else { format!("https://{endpoint}") };
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    if let Some(key) = either("s3.access-key-id", "s3.access-key") {
        builder = builder.with_access_key_id(key);
    }
    if let Some(secret) = either("s3.secret-access-key", "s3.secret-key") {
        builder = builder.with_secret_access_key(secret);
    }
    if let Some(token) = options.get("s3.session-token") {
        builder = builder.with_token(token);
    }
    match options.get("s3.region") {
        Some(region) => builder = builder.with_region(region),
        None if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() => {
            builder = builder.with_region("us-east-1");
        }
        None => {}
    }
    let path_style =
        options.bool("s3.path-style-access")?.or(builder.get_config_value(&AmazonS3ConfigKey::Endpoint).map(|_| true));
    if let Some(path_style) = path_style {
        builder = builder.with_virtual_hosted_style_request(!path_style);
    }
    let secrets = [AmazonS3ConfigKey::AccessKeyId, AmazonS3ConfigKey::SecretAccessKey, AmazonS3ConfigKey::Token]
        .iter()
        .filter_map(|key| builder.get_config_value(key))
        .filter(|secret| !secret.is_empty())
        .collect();
    Ok((builder, secrets))
}

//! A client of Iceberg's REST catalog: configuration, tokens, databases, tables, commits.
//!
//! Source: Apache Iceberg, `rest-catalog-open-api.yaml`.

use super::{Creation, Loaded, TableCatalog, TableName, lost_race, no_database, no_table, table_exists};
use crate::io::LakeIo;
use crate::metadata;
use freshet_connectors::storage::wait;
use freshet_types::{Error, Options, Result};
use iceberg::{TableRequirement, TableUpdate};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use url::Url;

/// Separator of the levels of a namespace in a path.
const LEVELS: &str = "\u{1f}";
/// Header that asks for credentials of the storage; servers that have none to give leave it unheeded.
const DELEGATION: &str = "X-Iceberg-Access-Delegation";

/// A catalog behind a server.
pub(crate) struct RestCatalog {
    client: Client,
    /// Address with `/v1` and the server's prefix.
    base: String,
    root: String,
    token: Mutex<Option<String>>,
    credential: Option<String>,
    scope: String,
    token_uri: String,
    headers: Vec<(String, String)>,
    /// Options of the catalog with those that the server sets.
    options: Options,
    allowed: Vec<String>,
}

struct Answer {
    status: StatusCode,
    body: Value,
}

fn unknown_outcome(text: String) -> Error {
    Error::unavailable("lake.commit_unknown", text).hint("the table is read again before the next attempt")
}

impl RestCatalog {
    /// Connects and asks for the server's configuration.
    pub(crate) fn open(options: &Options, allowed: Vec<String>) -> Result<Self> {
        let uri = options.required("uri")?.trim_end_matches('/').to_string();
        Url::parse(&uri).map_err(|e| {
            Error::invalid("option.invalid", format!("option \"uri\" is \"{uri}\": {e}")).hint("write http://host:port")
        })?;
        let client = Client::builder()
            .timeout(Duration::from_secs(60))
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("freshet/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Error::internal("lake.http", format!("no HTTP client: {e}")))?;
        let root = uri.strip_suffix("/v1").map_or_else(|| uri.clone(), str::to_string);
        let mut catalog = Self {
            client,
            base: format!("{root}/v1"),
            token: Mutex::new(options.get("token").map(str::to_string)),
            credential: options.get("credential").map(str::to_string),
            scope: options.get("scope").unwrap_or("catalog").to_string(),
            token_uri: options
                .get("oauth2-server-uri")
                .map_or_else(|| format!("{root}/v1/oauth/tokens"), str::to_string),
            headers: options.with_prefix("header.").iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            options: options.clone(),
            allowed,
            root,
        };
        catalog.configure(options)?;
        Ok(catalog)
    }

    fn configure(&mut self, options: &Options) -> Result<()> {
        let mut path = "/config".to_string();
        if let Some(warehouse) = options.get("warehouse") {
            let query: String = url::form_urlencoded::byte_serialize(warehouse.as_bytes()).collect();
            path = format!("{path}?warehouse={query}");
        }
        let answer = self.get(&path)?;
        let Answer { body, .. } = self.expect_success(answer, "configuration")?;
        let texts = |key: &str| -> Vec<(String, String)> {
            let object = body.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
            object.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_string()))).collect()
        };
        for (key, value) in texts("defaults") {
            if self.options.get(&key).is_none() {
                self.options.set(key, value);
            }
        }
        for (key, value) in texts("overrides") {
            self.options.set(key, value);
        }
        if let Some(prefix) = self.options.get("prefix").filter(|p| !p.is_empty()) {
            self.base = format!("{}/v1/{}", self.root, prefix.trim_matches('/'));
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, None)
    }

    /// One call; an expired token is renewed once.
    fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let answer = self.call_once(method.clone(), path, body.clone())?;
        if answer.status != StatusCode::UNAUTHORIZED || self.credential.is_none() {
            return Ok(answer);
        }
        *self.token() = None;
        self.call_once(method, path, body)
    }

    fn token(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn call_once(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = self.bearer()? {
            request = request.bearer_auth(token);
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(DELEGATION)) {
            request = request.header(DELEGATION, "vended-credentials");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request)
    }

    fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let answer = wait(async move {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        })?;
        // The address may hold a secret in its query: reqwest's text is cut free of it.
        let (status, bytes) =
            answer.map_err(|e| unknown_outcome(format!("REST catalog {}: {}", self.root, e.without_url())))?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    fn bearer(&self) -> Result<Option<String>> {
        if let Some(token) = self.token().clone() {
            return Ok(Some(token));
        }
        let Some(credential) = &self.credential else { return Ok(None) };
        let (id, secret) = credential.split_once(':').unwrap_or(("", credential));
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", id)
            .append_pair("client_secret", secret)
            .append_pair("scope", &self.scope);
        let request = self
            .client
            .post(&self.token_uri)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish());
        let answer = self.send(request)?;
        let token = answer.body.get("access_token").and_then(Value::as_str).map(str::to_string);
        match token {
            Some(token) if answer.status.is_success() => {
                *self.token() = Some(token.clone());
                Ok(Some(token))
            }
            _ => Err(Error::denied("lake.token", format!("the token server answered {}", answer.status))
                .hint("check the option 'credential'")),
        }
    }

    fn expect_success(&self, answer: Answer, what: &str) -> Result<Answer> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let said = answer.body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
        let text = format!("REST catalog {}: {what}: {} ({said})", self.root, answer.status);
        Err(match answer.status.as_u16() {
            401 | 403 => Error::denied("lake.rest_denied", text).hint("check the options 'token' or 'credential'"),
            404 => Error::not_found("lake.rest_not_found", text),
            409 => Error::conflict("lake.conflict", text),
            406 | 501 => Error::unsupported("lake.rest_unsupported", text),
            429 | 500..=599 => unknown_outcome(text),
            _ => Error::invalid("lake.rest_refused", text),
        })
    }

    fn namespace(name: &str) -> String {
        url::form_urlencoded::byte_serialize(name.replace('.', LEVELS).as_bytes())
            .collect::<String>()
            .replace('+', "%20")
    }

    fn table_path(table: &TableName) -> String {
        let name: String = url::form_urlencoded::byte_serialize(table.name.as_bytes()).collect();
        format!("/namespaces/{}/tables/{}", Self::namespace(&table.database), name.replace('+', "%20"))
    }

    fn loaded(&self, body: &Value) -> Result<Loaded> {
        let location = body.get("metadata-location").and_then(Value::as_str).unwrap_or_default().to_string();
        let metadata = body.get("metadata").unwrap_or(&Value::Null);
        let metadata = metadata::parse(metadata.to_string().as_bytes(), &location)?;
        // Credentials that the server gives are for this table alone.
        let mut options = self.options.clone();
        let of_table = body.get("storage-credentials").and_then(Value::as_array).into_iter().flatten();
        let of_table = of_table
            .filter(|c| c.get("prefix").and_then(Value::as_str).is_some_and(|p| metadata.location().starts_with(p)));
        // The longest prefix comes last, and wins.
        let mut of_table: Vec<&Value> = of_table.collect();
        of_table.sort_by_key(|c| c.get("prefix").and_then(Value::as_str).map_or(0, str::len));
        let configs = [Some(body)].into_iter().chain(of_table.into_iter().map(Some)).flatten();
        for config in configs.filter_map(|part| part.get("config").and_then(Value::as_object)) {
            for (key, value) in config {
                if let Some(value) = value.as_str().filter(|_| key.starts_with("s3.") || key.starts_with("hadoop.")) {
                    options.set(key, value);
                }
            }
        }
        if options.get("s3.region").is_none()
            && let Some(region) = options.get("client.region").map(str::to_string)
        {
            options.set("s3.region", region);
        }
        let mut roots: Vec<&str> = vec![metadata.location()];
        roots.extend(self.allowed.iter().map(String::as_str));
        for key in ["write.data.path", "write.metadata.path", "write.object-storage.path"] {
            roots.extend(metadata.properties().get(key).map(String::as_str));
        }
        Ok(Loaded { io: LakeIo::open(&roots, &options)?, metadata: metadata.into(), location })
    }

    fn levels(name: &str) -> Vec<&str> {
        name.split('.').collect()
    }

    fn list(&self, path: &str, key: &str) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let path = match &page {
                None => path.to_string(),
                Some(token) => {
                    let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
                    let mark = if path.contains('?') { '&' } else { '?' };
                    format!("{path}{mark}pageToken={token}")
                }
            };
            let answer = self.get(&path)?;
            let answer = self.expect_success(answer, key)?;
            found.extend(answer.body.get(key).and_then(Value::as_array).cloned().unwrap_or_default());
            page = answer.body.get("next-page-token").and_then(Value::as_str).map(str::to_string);
            if page.is_none() {
                return Ok(found);
            }
        }
    }
}

impl TableCatalog for RestCatalog {
    fn databases(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self
            .list("/namespaces", "namespaces")?
            .iter()
            .filter_map(Value::as_array)
            .map(|levels| levels.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("."))
            .collect();
        names.sort();
        Ok(names)
    }

    fn create_database(&self, name: &str, properties: &HashMap<String, String>) -> Result<()> {
        let body = json!({"namespace": Self::levels(name), "properties": properties});
        let answer = self.call(Method::POST, "/namespaces", Some(body))?;
        if answer.status == StatusCode::CONFLICT {
            return Err(Error::already_exists("lake.database_exists", format!("database \"{name}\" exists already"))
                .hint("write CREATE DATABASE IF NOT EXISTS"));
        }
        self.expect_success(answer, name).map(drop)
    }

    fn drop_database(&self, name: &str) -> Result<()> {
        let answer = self.call(Method::DELETE, &format!("/namespaces/{}", Self::namespace(name)), None)?;
        match answer.status {
            StatusCode::NOT_FOUND => Err(no_database(name)),
            StatusCode::CONFLICT => {
                Err(Error::invalid("lake.database_not_empty", format!("database \"{name}\" still has tables"))
                    .hint("drop the tables first, or write CASCADE"))
            }
            _ => self.expect_success(answer, name).map(drop),
        }
    }

    fn tables(&self, database: &str) -> Result<Vec<String>> {
        let found = self.list(&format!("/namespaces/{}/tables", Self::namespace(database)), "identifiers");
        let found = match found {
            Err(e) if e.kind() == freshet_types::ErrorKind::NotFound => return Err(no_database(database)),
            other => other?,
        };
        let mut names: Vec<String> = found.iter().filter_map(|t| Some(t.get("name")?.as_str()?.to_string())).collect();
        names.sort();
        Ok(names)
    }

    fn load(&self, table: &TableName) -> Result<Option<Loaded>> {
        let answer = self.get(&Self::table_path(table))?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.expect_success(answer, &table.to_string())?;
        self.loaded(&answer.body).map(Some)
    }

    fn create(&self, table: &TableName, creation: Creation) -> Result<()> {
        let mut properties = creation.properties;
        properties.insert("format-version".into(), (creation.version as u8).to_string());
        let mut body = json!({
            "name": table.name,
            "schema": creation.schema,
            "partition-spec": creation.spec,
            "properties": properties,
        });
        if let Some(location) = creation.location {
            body["location"] = location.into();
        }
        let path = format!("/namespaces/{}/tables", Self::namespace(&table.database));
        let answer = self.call(Method::POST, &path, Some(body))?;
        match answer.status {
            StatusCode::CONFLICT => Err(table_exists(table)),
            StatusCode::NOT_FOUND => Err(no_database(&table.database)),
            _ => self.expect_success(answer, &table.to_string()).map(drop),
        }
    }

    fn swap(
        &self,
        table: &TableName,
        base: &Loaded,
        updates: Vec<TableUpdate>,
        requirements: Vec<TableRequirement>,
    ) -> Result<Loaded> {
        // What cannot be applied here would not be applied there; the error is better here.
        metadata::apply(&base.metadata, &base.location, updates.clone())?;
        let body = json!({
            "identifier": {"namespace": Self::levels(&table.database), "name": table.name},
            "requirements": requirements,
            "updates": updates,
        });
        let answer = self.call(Method::POST, &Self::table_path(table), Some(body))?;
        match answer.status {
            StatusCode::CONFLICT => return Err(lost_race(table)),
            StatusCode::NOT_FOUND => return Err(no_table(table)),
            _ => {}
        }
        let answer = self.expect_success(answer, &table.to_string())?;
        let mut loaded = self.loaded(&answer.body)?;
        // A commit's answer carries no credentials: those of the load go on.
        loaded.io = base.io.clone();
        Ok(loaded)
    }

    fn drop_table(&self, table: &TableName) -> Result<bool> {
        let path = format!("{}?purgeRequested=true", Self::table_path(table));
        let answer = self.call(Method::DELETE, &path, None)?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(no_table(table));
        }
        self.expect_success(answer, &table.to_string())?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths() {
        assert_eq!(RestCatalog::namespace("a.b"), "a%1Fb");
        let table = TableName { database: "d".into(), name: "x/../y z".into() };
        assert_eq!(RestCatalog::table_path(&table), "/namespaces/d/tables/x%2F..%2Fy%20z");
    }
}

//! Tells who must act when the client reports an error.

use freshet_types::{Error, ErrorKind};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What a client told beside the result of a call: why it cannot talk to its brokers.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    reason: String,
    /// Whether trying again is of no use.
    is_refusal: bool,
}

impl Trouble {
    /// Trouble with logins, certificates and names; other trouble is told by calls.
    pub(super) fn of(e: &KafkaError, reason: &str) -> Option<Self> {
        let is_refusal = match e.rdkafka_error_code()? {
            Code::Authentication | Code::SaslAuthenticationFailed => true,
            // Also told when a broker ends while hands are shaken.
            Code::SSL => reason.contains("verify failed"),
            Code::Resolve => false,
            _ => return None,
        };
        Some(Self { reason: reason.to_string(), is_refusal })
    }

    /// The error of a call that failed with `e`.
    pub(super) fn error(&self, what: &str, brokers: &str, e: &KafkaError) -> Error {
        let error = error(what, brokers, e);
        if error.kind() != ErrorKind::Unavailable {
            return error;
        }
        let reason = &self.reason;
        if self.is_refusal {
            return Error::denied("kafka.denied", format!("kafka at \"{brokers}\" refuses: {what}: {reason}"))
                .hint("check properties.security.protocol, ssl.* and sasl.*, and the rights of the user");
        }
        Error::unavailable(error.code(), format!("kafka at \"{brokers}\" does not answer: {what}: {reason}"))
            .hint("check properties.bootstrap.servers and that the broker runs; the job goes on by itself")
    }
}

/// The error for users; `what` says what was tried.
pub(super) fn error(what: &str, brokers: &str, e: &KafkaError) -> Error {
    let code = match e {
        KafkaError::Transaction(inner) => Some(inner.code()),
        other => other.rdkafka_error_code(),
    };
    let text = match e {
        // Without the value, which may be a secret.
        KafkaError::ClientConfig(_, text, name, _) => format!("{text} (property \"{name}\")"),
        other => other.to_string(),
    };
    from_code(what, brokers, code, &text)
}

/// The error for a code; `text` is what the client says.
pub(super) fn from_code(what: &str, brokers: &str, code: Option<Code>, text: &str) -> Error {
    let said = match code {
        Some(code) => code.to_string(),
        None => text.to_string(),
    };
    let text = format!("{what}: {said}");
    match code {
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication,
        ) => Error::denied("kafka.denied", text)
            .hint("check properties.security.protocol, sasl.* and the rights of the user"),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::InvalidTopic) => {
            Error::not_found("kafka.topic_unknown", text).hint("check the topic's name, or create it")
        }
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => Error::data("kafka.offset_gone", text).hint(
            "the topic was cleaned or made anew since: start the job without its checkpoint, or keep records longer",
        ),
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => {
            Error::conflict("kafka.fenced", text).hint("give each job a sink.transactional-id-prefix of its own")
        }
        Some(Code::MessageSizeTooLarge) => Error::data("kafka.record_size", text)
            .hint("raise properties.max.request.size, and message.max.bytes of the broker"),
        Some(Code::InvalidArgument | Code::InvalidConfig | Code::UnsupportedFeature | Code::UnsupportedVersion) => {
            Error::invalid("kafka.setting", text).hint("check the properties of the table")
        }
        Some(_) => Error::unavailable("kafka.unavailable", format!("kafka at \"{brokers}\" does not answer: {text}"))
            .hint("check properties.bootstrap.servers and that the broker runs; the job goes on by itself"),
        None => Error::invalid("kafka.setting", text).hint("check the properties of the table"),
    }
}

//! What one SQL function is: its name and text for people, its types, its code.

use super::call::Call;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use freshet_types::{Error, Result, SqlField, SqlType};

/// Groups of functions, as the documentation lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Text in, mostly text out.
    String,
    /// Numbers.
    Math,
    /// Dates, times, instants.
    Temporal,
    /// Choices and checks.
    Conditional,
    /// From one type to another.
    Conversion,
    /// Arrays, maps, rows.
    Collection,
    /// JSON text.
    Json,
    /// Digests.
    Hash,
    /// Many rows in, one value out.
    Aggregate,
    /// A value for each row of an OVER window.
    Window,
}

/// What one argument must be; other types are cast to it as Flink does, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// STRING; other flat values are written out.
    Text,
    /// STRING and nothing else: a text to be read, which a number or a date is not.
    OnlyText,
    /// BYTES.
    Bytes,
    /// STRING or BYTES.
    TextOrBytes,
    /// BOOLEAN.
    Boolean,
    /// A whole number; arrives as BIGINT.
    Long,
    /// Any number; arrives as DOUBLE.
    Double,
    /// Any number, as it is.
    Number,
    /// DATE, TIME, TIMESTAMP or TIMESTAMP_LTZ, as it is; text is read as TIMESTAMP(3).
    Temporal,
    /// A number or a point in time, as it is; text is read as DOUBLE.
    NumberOrTemporal,
    /// An array.
    Array,
    /// An array whose elements share their type with those of the other such arrays, and with `Element`s.
    ArrayOf,
    /// An element for the arrays of this call.
    Element,
    /// A map.
    Map,
    /// Array or map.
    Collection,
    /// Any type, as it is.
    Any,
    /// Any type; all such arguments of a call get their common type.
    Common,
}

/// Arguments of a function: first the required ones, then the optional ones, then any number of the last kind.
#[derive(Debug, Clone, Copy)]
pub struct Arguments {
    /// These must be there.
    pub required: &'static [Arg],
    /// These may be there.
    pub optional: &'static [Arg],
    /// Any number of these may follow.
    pub rest: Option<Arg>,
}

impl Arguments {
    /// Exactly these.
    pub const fn exactly(required: &'static [Arg]) -> Self {
        Self { required, optional: &[], rest: None }
    }

    /// `required`, and then as many of `optional` as there are.
    pub const fn with_optional(required: &'static [Arg], optional: &'static [Arg]) -> Self {
        Self { required, optional, rest: None }
    }

    /// `required`, and then any number of `rest`.
    pub const fn with_rest(required: &'static [Arg], rest: Arg) -> Self {
        Self { required, optional: &[], rest: Some(rest) }
    }

    fn kinds(&self, count: usize) -> Option<Vec<Arg>> {
        let most = self.required.len() + self.optional.len();
        if count < self.required.len() || (count > most && self.rest.is_none()) {
            return None;
        }
        let mut kinds: Vec<Arg> = self.required.iter().chain(self.optional).copied().take(count).collect();
        if let Some(rest) = self.rest {
            kinds.resize(count, rest);
        }
        Some(kinds)
    }
}

/// Type of the result.
#[derive(Debug, Clone, Copy)]
pub enum Returns {
    /// Always this one.
    Is(SqlType0),
    /// The type of this argument, after the casts.
    Like(usize),
    /// Worked out from the arguments.
    With(fn(&[Argument<'_>]) -> Result<SqlType>),
}

/// The types without parts, for static tables ([`SqlType`] itself cannot be copied).
#[derive(Debug, Clone, Copy)]
pub enum SqlType0 {
    /// BOOLEAN.
    Boolean,
    /// INT.
    Int,
    /// BIGINT.
    BigInt,
    /// DOUBLE.
    Double,
    /// STRING.
    String,
    /// BYTES.
    Bytes,
    /// DATE.
    Date,
    /// TIME(0).
    Time,
    /// TIMESTAMP(3).
    Timestamp,
    /// TIMESTAMP_LTZ(3).
    Instant,
    /// ARRAY of STRING.
    Strings,
}

impl From<SqlType0> for SqlType {
    fn from(simple: SqlType0) -> Self {
        match simple {
            SqlType0::Boolean => SqlType::Boolean,
            SqlType0::Int => SqlType::Int,
            SqlType0::BigInt => SqlType::BigInt,
            SqlType0::Double => SqlType::Double,
            SqlType0::String => SqlType::STRING,
            SqlType0::Bytes => SqlType::BYTES,
            SqlType0::Date => SqlType::Date,
            SqlType0::Time => SqlType::Time(0),
            SqlType0::Timestamp => SqlType::Timestamp(3),
            SqlType0::Instant => SqlType::TimestampLtz(3),
            SqlType0::Strings => SqlType::Array(Box::new(SqlField::new("", SqlType::STRING))),
        }
    }
}

/// What is known of an argument while planning.
#[derive(Debug)]
pub struct Argument<'a> {
    /// Its type, after the casts.
    pub sql_type: SqlType,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Its value, when it is a literal.
    pub literal: Option<&'a ScalarValue>,
}

impl Argument<'_> {
    /// The literal as a whole number.
    pub fn literal_long(&self) -> Option<i64> {
        match self.literal?.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => None,
        }
    }

    /// The literal as text.
    pub fn literal_text(&self) -> Option<&str> {
        self.literal?.try_as_str().flatten()
    }
}

/// Whether a second call with the same arguments gives the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// Always.
    Pure,
    /// Within one batch query; in a stream it changes with the clock.
    Clock,
    /// Never.
    Random,
}

/// One function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Name, in lower case.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Group.
    pub family: Family,
    /// How to call it, for people.
    pub signature: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Types of the arguments.
    pub arguments: Arguments,
    /// Type of the result.
    pub returns: Returns,
    /// Whether the result may differ between two calls.
    pub stability: Stability,
    /// Whether it is never NULL.
    pub never_null: bool,
    /// The code: one result for each row of the call.
    pub evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
}

impl Function {
    /// A pure function without other names.
    pub const fn new(
        name: &'static str,
        family: Family,
        (signature, doc): (&'static str, &'static str),
        arguments: Arguments,
        returns: Returns,
        evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            family,
            signature,
            doc,
            arguments,
            returns,
            stability: Stability::Pure,
            never_null: false,
            evaluate,
        }
    }

    /// The same with other names.
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same, depending on clock or chance.
    pub const fn stability(mut self, stability: Stability) -> Self {
        self.stability = stability;
        self
    }

    /// The same, never NULL.
    pub const fn never_null(mut self) -> Self {
        self.never_null = true;
        self
    }

    /// The types that the arguments are cast to.
    ///
    /// # Errors
    /// `function.arguments` when the count or a type does not fit.
    pub fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let refuse = |why: String| {
            Error::invalid("function.arguments", format!("function \"{}\" {why}", self.name.to_uppercase()))
                .hint(format!("call it as {}", self.signature))
        };
        let kinds = self
            .arguments
            .kinds(types.len())
            .ok_or_else(|| refuse(format!("does not take {} arguments", types.len())))?;
        let common = kinds
            .iter()
            .zip(types)
            .filter_map(|(kind, given)| match kind {
                Arg::Common | Arg::Element => Some(given),
                Arg::ArrayOf => element_type(given),
                _ => None,
            })
            .collect::<Vec<_>>();
        let common = match common.as_slice() {
            [] => None,
            types => Some(
                crate::rewrite::types::common_data_type(types)
                    .ok_or_else(|| refuse("cannot mix arguments of these types".into()))?,
            ),
        };
        kinds
            .iter()
            .zip(types)
            .enumerate()
            .map(|(i, (kind, given))| {
                coerce_one(*kind, given, common.as_ref()).ok_or_else(|| {
                    let given = SqlType::from_data_type(given).map_or_else(|| given.to_string(), |t| t.to_string());
                    refuse(format!("does not take {given} as argument {}", i + 1))
                })
            })
            .collect()
    }

    /// The type of the result.
    pub fn result_type(&self, arguments: &[Argument<'_>]) -> Result<SqlType> {
        match self.returns {
            Returns::Is(simple) => Ok(simple.into()),
            Returns::Like(i) => Ok(arguments[i].sql_type.clone()),
            Returns::With(f) => f(arguments),
        }
    }
}

fn is_text(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(t: &DataType) -> bool {
    matches!(t, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn coerce_one(kind: Arg, given: &DataType, common: Option<&DataType>) -> Option<DataType> {
    use DataType::*;
    let null = *given == Null;
    let number = given.is_numeric();
    let flat = !given.is_nested();
    Some(match kind {
        Arg::Text if flat && !is_bytes(given) => Utf8,
        Arg::OnlyText if null || is_text(given) => Utf8,
        Arg::Bytes if null || is_text(given) || is_bytes(given) => Binary,
        Arg::TextOrBytes if is_bytes(given) => Binary,
        Arg::TextOrBytes if flat => Utf8,
        Arg::Boolean if null || *given == Boolean || is_text(given) => Boolean,
        Arg::Long if null || number || is_text(given) => Int64,
        Arg::Double if null || number || is_text(given) => Float64,
        Arg::Number if null => Int32,
        Arg::Number if is_text(given) => Float64,
        Arg::Number if number => match given {
            UInt8 => Int16,
            UInt16 => Int32,
            UInt32 => Int64,
            UInt64 => Decimal128(20, 0),
            other => other.clone(),
        },
        Arg::Temporal if null || is_text(given) => Timestamp(TimeUnit::Millisecond, None),
        Arg::Temporal if matches!(given, Date32 | Time32(_) | Time64(_) | Timestamp(_, _)) => given.clone(),
        Arg::NumberOrTemporal if matches!(given, Date32 | Time32(_) | Time64(_) | Timestamp(_, _)) => given.clone(),
        Arg::NumberOrTemporal => coerce_one(Arg::Number, given, common)?,
        Arg::Array if matches!(given, List(_) | LargeList(_) | FixedSizeList(_, _)) => plain_list(given),
        Arg::Map if matches!(given, Map(_, _)) => given.clone(),
        Arg::Collection if matches!(given, Map(_, _)) => given.clone(),
        Arg::Collection if matches!(given, List(_) | LargeList(_) | FixedSizeList(_, _)) => plain_list(given),
        Arg::Array | Arg::Collection if null => {
            List(std::sync::Arc::new(arrow::datatypes::Field::new("item", Utf8, true)))
        }
        Arg::Any => given.clone(),
        Arg::Common | Arg::Element => common?.clone(),
        Arg::ArrayOf if null || element_type(given).is_some() => {
            List(std::sync::Arc::new(arrow::datatypes::Field::new("item", common?.clone(), true)))
        }
        _ => return None,
    })
}

fn element_type(given: &DataType) -> Option<&DataType> {
    match given {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

fn plain_list(given: &DataType) -> DataType {
    match given {
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => DataType::List(std::sync::Arc::clone(item)),
        other => other.clone(),
    }
}

//! Numbers by chance.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0, Stability};
use arrow::array::ArrayRef;
use freshet_types::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// RAND, RAND_INTEGER, UUID.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "rand",
        Family::Math,
        ("RAND([seed])", "A number from 0 to 1, never 1; the same sequence for the same seed."),
        Arguments::with_optional(&[], &[Arg::Long]),
        Returns::Is(SqlType0::Double),
        |call| {
            let mut random = generator(call, 0)?;
            call.doubles(|_| Some(random.random::<f64>()))
        },
    )
    .stability(Stability::Random)
    .never_null(),
    Function::new(
        "rand_integer",
        Family::Math,
        ("RAND_INTEGER([seed, ]bound)", "A whole number from 0 to a bound, never the bound."),
        Arguments::with_optional(&[Arg::Long], &[Arg::Long]),
        Returns::Is(SqlType0::Int),
        |call| {
            let mut random = generator(call, usize::from(call.count() == 1))?;
            let bound = call.long(call.count() - 1)?;
            call.try_build::<arrow::datatypes::Int32Type>(|row| match bound.get(row) {
                Some(bound) => match i32::try_from(bound) {
                    Ok(bound @ 1..) => Ok(Some(random.random_range(0..bound))),
                    _ => {
                        Err(call.error(format!("the bound {bound} must be positive")).hint("give a bound of 1 or more"))
                    }
                },
                None => Ok(None),
            })
        },
    )
    .stability(Stability::Random),
    Function::new(
        "uuid",
        Family::String,
        ("UUID()", "A random UUID of version 4."),
        Arguments::exactly(&[]),
        Returns::Is(SqlType0::String),
        uuid,
    )
    .stability(Stability::Random)
    .never_null(),
];

/// A generator from the seed at argument `seed`, else from the machine.
fn generator(call: &Call<'_>, seed: usize) -> Result<StdRng> {
    if seed < call.count() && call.arguments[seed].constant && !call.arguments[seed].is_null(0) {
        let seed = call.long(seed)?.get(0).unwrap_or(0);
        return Ok(StdRng::seed_from_u64(seed as u64));
    }
    Ok(StdRng::from_os_rng())
}

fn uuid(call: &Call<'_>) -> Result<ArrayRef> {
    let mut random = generator(call, usize::MAX)?;
    call.build_text(|_, out| {
        let uuid = uuid::Builder::from_random_bytes(random.random()).into_uuid();
        out.push_str(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
        Some(())
    })
}

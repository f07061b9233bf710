//! Site filters: which sites are read, by what a file says of them, as sweep files spell it:
//! `reliability > 0.3 and animal == monkeyF`.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Conditions that a site must meet, all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFilter {
    /// The conditions, one at least.
    pub conditions: Vec<Condition>,
}

/// What a site's coordinate must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The coordinate.
    pub coordinate: String,
    /// How it is compared.
    pub comparison: Sign,
    /// What with, as written, without quotes.
    pub value: String,
    /// Whether the value stands in quotes, so that it is a text whatever it looks like.
    pub is_quoted: bool,
}

/// How a coordinate is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Above it.
    Above,
    /// It or above.
    AtLeast,
    /// Below it.
    Below,
    /// It or below.
    AtMost,
    /// The same.
    Equal,
    /// Another.
    Unequal,
}

/// Text that is not a filter of sites.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error(
    "{problem}: write conditions such as `reliability > 0.3`, joined by `and`; >, >=, <, <=, == and != compare"
)]
pub struct BadSiteFilter {
    problem: String,
}

/// The most conditions of a filter.
const CONDITIONS_MAX: usize = 100;

impl Sign {
    /// All, those whose spelling begins another after it.
    const ALL: [Self; 6] = [
        Self::AtLeast,
        Self::AtMost,
        Self::Equal,
        Self::Unequal,
        Self::Above,
        Self::Below,
    ];

    /// Its spelling.
    pub const fn spelling(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Equal => "==",
            Self::Unequal => "!=",
        }
    }

    /// Whether it compares texts, too, and not only numbers.
    pub const fn is_of_texts(self) -> bool {
        match self {
            Self::Equal | Self::Unequal => true,
            Self::Above | Self::AtLeast | Self::Below | Self::AtMost => false,
        }
    }

    /// Whether a number passes. One that is not a number never does.
    pub fn passes(self, number: f64, value: f64) -> bool {
        match self {
            Self::Above => number > value,
            Self::AtLeast => number >= value,
            Self::Below => number < value,
            Self::AtMost => number <= value,
            Self::Equal => number == value,
            Self::Unequal => number != value && !number.is_nan(),
        }
    }
}

impl Condition {
    /// The value as a number, unless it is a text.
    pub fn number(&self) -> Option<f64> {
        let number: Option<f64> = self.value.parse().ok();
        number.filter(|number| !self.is_quoted && !number.is_nan())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            coordinate,
            comparison,
            value,
            is_quoted,
        } = self;
        let sign = comparison.spelling();
        if *is_quoted {
            write!(f, "{coordinate} {sign} '{value}'")
        } else {
            write!(f, "{coordinate} {sign} {value}")
        }
    }
}

impl fmt::Display for SiteFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, condition) in self.conditions.iter().enumerate() {
            let joint = if at == 0 { "" } else { " and " };
            write!(f, "{joint}{condition}")?;
        }
        Ok(())
    }
}

impl FromStr for SiteFilter {
    type Err = BadSiteFilter;

    fn from_str(text: &str) -> Result<Self, BadSiteFilter> {
        let conditions: Vec<&str> = joined(text);
        if conditions.len() > CONDITIONS_MAX {
            let count = conditions.len();
            return Err(bad(format!(
                "{count} conditions; the limit is {CONDITIONS_MAX}"
            )));
        }
        let conditions = conditions.into_iter().map(condition);
        Ok(Self {
            conditions: conditions.collect::<Result<_, _>>()?,
        })
    }
}

fn bad(problem: String) -> BadSiteFilter {
    BadSiteFilter { problem }
}

/// The parts of `text` between the words `and` that are not in quotes.
fn joined(text: &str) -> Vec<&str> {
    const AND: &str = " and ";
    let (mut parts, mut from, mut quote) = (Vec::new(), 0, None);
    for (at, letter) in text.char_indices() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if at >= from && text[at..].starts_with(AND) => {
                parts.push(&text[from..at]);
                from = at + AND.len();
            }
            Some(_) | None => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn condition(text: &str) -> Result<Condition, BadSiteFilter> {
    let shown = text.trim();
    let at = text.find(['>', '<', '=', '!']);
    let Some((coordinate, rest)) = at.map(|at| text.split_at(at)) else {
        return Err(bad(match shown {
            "" => "a condition is missing".to_owned(),
            _ => format!("`{shown}` compares nothing"),
        }));
    };
    let mut comparisons = Sign::ALL.into_iter();
    let Some(comparison) = comparisons.find(|of| rest.starts_with(of.spelling())) else {
        return Err(bad(format!("`{shown}` has a sign that is unknown")));
    };
    let coordinate = coordinate.trim();
    let value = rest[comparison.spelling().len()..].trim();
    let (value, is_quoted) = match unquoted(value) {
        Some(inside) => (inside, true),
        None => (value, false),
    };
    if coordinate.is_empty() {
        return Err(bad(format!("`{shown}` names no coordinate")));
    }
    if value.is_empty() && !is_quoted {
        return Err(bad(format!("`{shown}` compares with nothing")));
    }
    if !is_quoted && value.contains(['>', '<', '=', '!', '"', '\'']) {
        return Err(bad(format!(
            "`{shown}` has a value `{value}` without quotes around it"
        )));
    }
    let condition = Condition {
        coordinate: coordinate.to_owned(),
        comparison,
        value: value.to_owned(),
        is_quoted,
    };
    if !comparison.is_of_texts() && condition.number().is_none() {
        let sign = comparison.spelling();
        return Err(bad(format!(
            "`{shown}` compares by {sign} with what is not a number"
        )));
    }
    Ok(condition)
}

/// What is within quotes, if `text` is in quotes.
fn unquoted(text: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|quote| {
        let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inside.contains(quote)).then_some(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(coordinate: &str, comparison: Sign, value: &str, is_quoted: bool) -> Condition {
        Condition {
            coordinate: coordinate.to_owned(),
            comparison,
            value: value.to_owned(),
            is_quoted,
        }
    }

    #[test]
    fn a_filter_is_conditions_joined_by_and() {
        let filter: SiteFilter = "reliability>0.3 and animal != 'Al and and Bo' and nc >= 1e-2"
            .parse()
            .expect("a filter");
        assert_eq!(
            filter.conditions,
            [
                of("reliability", Sign::Above, "0.3", false),
                of("animal", Sign::Unequal, "Al and and Bo", true),
                of("nc", Sign::AtLeast, "1e-2", false),
            ]
        );
        let again: SiteFilter = filter.to_string().parse().expect("a filter");
        assert_eq!(again, filter);
        let text: SiteFilter = "area name == \"12\"".parse().expect("a filter");
        assert_eq!(text.conditions[0].number(), None);
        assert_eq!(text.conditions[0].coordinate, "area name");
        let bare: SiteFilter = "animal == monkeyF".parse().expect("a filter");
        assert_eq!(
            bare.conditions[0],
            of("animal", Sign::Equal, "monkeyF", false)
        );
    }

    #[test]
    fn numbers_pass_or_not_and_what_is_no_number_never_does() {
        let passing = |comparison: Sign| {
            let numbers = [1.0, 2.0, 3.0, f64::NAN].into_iter();
            let passing = numbers.map(|number| comparison.passes(number, 2.0));
            passing.collect::<Vec<bool>>()
        };
        assert_eq!(passing(Sign::Above), [false, false, true, false]);
        assert_eq!(passing(Sign::AtLeast), [false, true, true, false]);
        assert_eq!(passing(Sign::Below), [true, false, false, false]);
        assert_eq!(passing(Sign::AtMost), [true, true, false, false]);
        assert_eq!(passing(Sign::Equal), [false, true, false, false]);
        assert_eq!(passing(Sign::Unequal), [true, false, true, false]);
    }

    #[test]
    fn what_is_no_filter_is_told_with_an_example() {
        let said = |text: &str| {
            let error = text
                .parse::<SiteFilter>()
                .expect_err("no filter")
                .to_string();
            let (problem, help) = error.split_once(": write").expect("a problem and help");
            assert!(help.contains("`reliability > 0.3`"), "{help}");
            problem.to_owned()
        };
        let said = [
            "",
            "reliability",
            "> 0.3",
            "r >",
            "r = 0.3",
            "r > 0.3 and ",
            "r > high",
            "r > '1'",
            "r > 0.3 or s > 1",
            "r == a'b",
            "r > nan",
        ]
        .map(said);
        insta::assert_snapshot!(said.join("\n"), @r"
        a condition is missing
        `reliability` compares nothing
        `> 0.3` names no coordinate
        `r >` compares with nothing
        `r = 0.3` has a sign that is unknown
        a condition is missing
        `r > high` compares by > with what is not a number
        `r > '1'` compares by > with what is not a number
        `r > 0.3 or s > 1` has a value `0.3 or s > 1` without quotes around it
        `r == a'b` has a value `a'b` without quotes around it
        `r > nan` compares by > with what is not a number
        ");
    }
}

//! Numbers: an interval, what they must and must not be multiples of, and values that are ruled out.

use super::{Best, Leaf, Outcome, Solver, closed, is_positive, node_of};
use crate::{
    doubt::Cause,
    exact::{self, common_multiple, divides},
    normal::{Node, Types},
    proof::Step,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use serde_json::Value;

/// Candidates tried in one interval.
const TRIES_MAX: u32 = 4_000;

#[derive(Default)]
struct Range {
    low: Option<(BigRational, bool)>,
    high: Option<(BigRational, bool)>,
    /// Least common multiple of everything that must divide.
    step: Option<BigRational>,
    not_multiples: Vec<BigRational>,
}

impl Range {
    fn raise(&mut self, limit: &BigRational, exclusive: bool) {
        if self.low.as_ref().is_none_or(|(low, was)| limit > low || limit == low && exclusive && !was) {
            self.low = Some((limit.clone(), exclusive));
        }
    }

    fn lower(&mut self, limit: &BigRational, exclusive: bool) {
        if self.high.as_ref().is_none_or(|(high, was)| limit < high || limit == high && exclusive && !was) {
            self.high = Some((limit.clone(), exclusive));
        }
    }

    fn multiple(&mut self, of: &BigRational) {
        self.step = Some(match &self.step {
            Some(step) => common_multiple(step, of),
            None => of.abs(),
        });
    }

    fn is_empty(&self) -> bool {
        match (&self.low, &self.high) {
            (Some((low, above)), Some((high, below))) => low > high || low == high && (*above || *below),
            _ => false,
        }
    }

    fn contains(&self, value: &BigRational) -> bool {
        let above = self.low.as_ref().is_none_or(|(low, exclusive)| value > low || value == low && !exclusive);
        let below = self.high.as_ref().is_none_or(|(high, exclusive)| value < high || value == high && !exclusive);
        above && below && !self.not_multiples.iter().any(|of| divides(of, value))
    }
}

impl Solver<'_> {
    pub(super) fn number(&mut self, types: Types, leaf: &Leaf) -> Outcome {
        let mut range = Range::default();
        for literal in &leaf.atoms {
            match (self.graph.node(node_of(*literal)), is_positive(*literal)) {
                (Node::Minimum { limit, exclusive }, true) => range.raise(limit, *exclusive),
                (Node::Minimum { limit, exclusive }, false) => range.lower(limit, !exclusive),
                (Node::Maximum { limit, exclusive }, true) => range.lower(limit, *exclusive),
                (Node::Maximum { limit, exclusive }, false) => range.raise(limit, !exclusive),
                (Node::Multiple(of), true) => range.multiple(of),
                (Node::Multiple(of), false) => range.not_multiples.push(of.clone()),
                _ => {}
            }
        }
        if range.is_empty() {
            return closed(Step::Numbers);
        }
        let mut best = Best::default();
        for one in [Types::INTEGER, Types::WRITTEN_FRACTION, Types::FRACTION] {
            if types.has(one) && self.number_of(one, &range, leaf).is_some_and(|outcome| best.take(outcome)) {
                break;
            }
        }
        best.or(|_| Step::Numbers)
    }

    /// A number of one type; none where there is none.
    fn number_of(&mut self, one: Types, range: &Range, leaf: &Leaf) -> Option<Outcome> {
        if one == Types::FRACTION {
            return match &range.step {
                Some(step) if step.is_integer() => None,
                Some(step) => self.stepped(step, false, one, range, leaf),
                None => self.between(range, leaf),
            };
        }
        let step = match &range.step {
            Some(step) => common_multiple(step, &BigRational::one()),
            None => BigRational::one(),
        };
        self.stepped(&step, true, one, range, leaf)
    }

    /// Multiples of a step, nearest to zero or to a bound first.
    fn stepped(
        &mut self,
        step: &BigRational,
        integral: bool,
        one: Types,
        range: &Range,
        leaf: &Leaf,
    ) -> Option<Outcome> {
        // All multiples of the step are multiples of what must not divide: none is left, however long one looks.
        if range.not_multiples.iter().any(|of| divides(of, step)) {
            return None;
        }
        let (first, direction) = match (&range.low, &range.high) {
            (Some((low, _)), _) if !low.is_negative() => ((low / step).ceil(), 1),
            (_, Some((high, _))) if !high.is_positive() => ((high / step).floor(), -1),
            (Some((low, _)), Some(_)) => ((low / step).ceil(), 1),
            (None, _) | (_, None) => (BigRational::zero(), 0),
        };
        let mut best = Best::default();
        for tried in 0..TRIES_MAX {
            let offset = match direction {
                0 => i64::from(tried.div_ceil(2)) * if tried % 2 == 0 { 1 } else { -1 },
                direction => i64::from(tried) * direction,
            };
            let value = (&first + BigRational::from_integer(BigInt::from(offset))) * step;
            let beyond =
                match direction {
                    1 => range.high.as_ref().is_some_and(|(high, _)| value > *high),
                    -1 => range.low.as_ref().is_some_and(|(low, _)| value < *low),
                    _ => {
                        range.high.as_ref().is_some_and(|(high, _)| {
                            BigRational::from_integer(BigInt::from(offset.abs())) * step > *high
                        }) && range.low.as_ref().is_some_and(|(low, _)| {
                            BigRational::from_integer(BigInt::from(-offset.abs())) * step < *low
                        })
                    }
                };
            if beyond {
                return best.answer;
            }
            if value.is_integer() == integral
                && range.contains(&value)
                && self.candidate(&value, one, leaf).is_some_and(|outcome| best.take(outcome))
            {
                return best.answer;
            }
        }
        best.doubt(Cause::LongInterval);
        best.answer
    }

    /// Any number that is not integral: decimals of growing precision.
    fn between(&mut self, range: &Range, leaf: &Leaf) -> Option<Outcome> {
        if range.low.as_ref().zip(range.high.as_ref()).is_some_and(|((low, _), (high, _))| low == high) {
            let (point, _) = range.low.clone().unwrap_or_default();
            return match !point.is_integer() && range.contains(&point) {
                true => self.candidate(&point, Types::FRACTION, leaf),
                false => None,
            };
        }
        let mut best = Best::default();
        let mut scale = BigInt::one();
        for _ in 0..24 {
            scale *= 10;
            let unit = BigRational::new(BigInt::one(), scale.clone());
            let (from, sign) = match (&range.low, &range.high) {
                (Some((low, _)), _) => ((low / &unit).floor(), 1),
                (None, Some((high, _))) => ((high / &unit).ceil(), -1),
                (None, None) => (BigRational::zero(), 1),
            };
            for offset in 0..40 {
                let value = (&from + BigRational::from_integer(BigInt::from(offset * sign))) * &unit;
                if !value.is_integer()
                    && range.contains(&value)
                    && self.candidate(&value, Types::FRACTION, leaf).is_some_and(|outcome| best.take(outcome))
                {
                    return best.answer;
                }
            }
        }
        // There are infinitely many; that none of these would do says nothing of the rest.
        best.doubt(Cause::BetweenIntegers);
        best.answer
    }

    fn candidate(&mut self, value: &BigRational, one: Types, leaf: &Leaf) -> Option<Outcome> {
        let Some(number) = exact::number(value) else {
            return Some(Outcome::Unknown(Cause::ManyDigits.into()));
        };
        let written = match one {
            Types::WRITTEN_FRACTION => format!("{number}.0").parse().unwrap_or(number),
            _ => number,
        };
        let value = Value::Number(written);
        if self.is_excluded(&value, leaf) { None } else { self.judged(value, leaf) }
    }
}

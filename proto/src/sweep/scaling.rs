//! Scaling of inputs and targets, as sweep files and trials spell it. The worker computes it.

use crate::word::word_enum;

word_enum! {
    /// How a layer's activations are scaled before the NRP network sees them.
    #[derive(Default)]
    pub enum InputScaling: "scaling of inputs" {
        /// As they are.
        None = "none",
        /// Each unit less its mean, the whole layer divided by one number: the root of the mean
        /// variance over its units.
        #[default]
        Centred = "centred",
        /// Each unit less its mean, divided by its standard deviation. Constant units are divided by 1,
        /// and so are those whose standard deviation is below [`f32::MIN_POSITIVE`].
        PerUnit = "per-unit",
    }
}

word_enum! {
    /// How a site's responses are scaled while a network is fitted to them. Scores are always in the
    /// recordings' own units.
    #[derive(Default)]
    pub enum TargetScaling: "scaling of targets" {
        /// As they are.
        None = "none",
        /// Each site less its training mean.
        Centred = "centred",
        /// Each site less its training mean, divided by its standard deviation; constant sites by 1.
        #[default]
        Standardised = "standardised",
    }
}

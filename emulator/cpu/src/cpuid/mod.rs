//! CPUID: what the processor says it is, and what therefore executes.

mod features;
mod gate;
mod leaves;
mod models;

pub use features::{Feature, Features, NAMES};
pub(crate) use leaves::Dynamic;
pub use leaves::Registers;
pub use models::Vendor;

use iced_x86::{DecoderOptions, Instruction};
use std::fmt;
use std::str::FromStr;

/// A processor model: identity, features, and its place among its siblings.
#[derive(Clone, Debug)]
pub struct CpuModel {
    name: String,
    vendor: Vendor,
    brand: &'static str,
    signature: u32,
    features: Features,
    topology: Topology,
    /// Whose virtual machine it says it is in.
    hypervisor: &'static [u8; 12],
    /// Indexed by `iced_x86::CpuidFeature`.
    implemented: [bool; gate::TABLE],
}

/// One processor's place in the machine: one package, one thread a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The local APIC's ID.
    pub apic_id: u32,
    /// Processors in the machine, at least 1.
    pub processors: u32,
}

/// Why a model description was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelError {
    /// There is no model of this name.
    UnknownModel(String),
    /// There is no feature of this name, or it lacks its `+` or `-`.
    UnknownFeature(String),
    /// The features exist but are not implemented.
    Unavailable(Vec<&'static str>),
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownModel(name) => {
                write!(f, "unknown processor model \"{name}\"; known are {}", CpuModel::names().join(", "))
            }
            Self::UnknownFeature(name) => {
                let known: Vec<_> = NAMES.iter().map(|(_, name)| *name).collect();
                write!(f, "unknown processor feature \"{name}\" (write +NAME or -NAME); known are ")?;
                f.write_str(&known.join(", "))
            }
            Self::Unavailable(names) => {
                write!(f, "processor features that are not implemented: {}", names.join(", "))
            }
        }
    }
}

impl std::error::Error for ModelError {}

impl Default for CpuModel {
    /// The model `max`.
    fn default() -> Self {
        let listed = &models::LIST[models::LIST.len() - 1];
        Self::new(listed.name.to_owned(), listed, listed.features)
    }
}

impl FromStr for CpuModel {
    type Err = ModelError;

    /// Parses `NAME[,+FEATURE|,-FEATURE]...`.
    ///
    /// # Errors
    /// An unknown name, or a feature that is not implemented.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let listed = models::LIST
            .iter()
            .find(|listed| listed.name == name)
            .ok_or_else(|| ModelError::UnknownModel(name.to_owned()))?;
        let mut features = listed.features;
        for part in parts {
            let unknown = || ModelError::UnknownFeature(part.to_owned());
            let on = match part.as_bytes().first() {
                Some(b'+') => true,
                Some(b'-') => false,
                _ => return Err(unknown()),
            };
            features.set(features::by_name(&part[1..]).ok_or_else(unknown)?, on);
        }
        let missing: Vec<_> = NAMES
            .iter()
            .filter(|(feature, _)| features.has(*feature) && !models::IMPLEMENTED.has(*feature))
            .map(|(_, name)| *name)
            .collect();
        if !missing.is_empty() {
            return Err(ModelError::Unavailable(missing));
        }
        models::drop_dependants(&mut features);
        Ok(Self::new(text.to_owned(), listed, features))
    }
}

impl CpuModel {
    fn new(name: String, listed: &models::Listed, features: Features) -> Self {
        Self {
            name,
            vendor: listed.vendor,
            brand: listed.brand,
            signature: listed.signature,
            features,
            hypervisor: b"GlassboxVM  ",
            topology: Topology { apic_id: 0, processors: 1 },
            implemented: gate::table(&features),
        }
    }

    /// The names of all models.
    pub fn names() -> Vec<&'static str> {
        models::LIST.iter().map(|listed| listed.name).collect()
    }

    /// The same model at another place in the machine.
    #[must_use]
    pub fn with_topology(&self, topology: Topology) -> Self {
        Self { topology, ..self.clone() }
    }

    /// The same model that says it is in a virtual machine of VMware's, whose guests
    /// then use the [backdoor](crate::CpuBus::backdoor).
    #[must_use]
    pub fn under_vmware(&self) -> Self {
        Self { hypervisor: b"VMwareVMware", ..self.clone() }
    }

    /// The description it was made from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who made it.
    pub fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// Its place in the machine.
    pub fn topology(&self) -> Topology {
        self.topology
    }

    /// The microcode revision. Kernels switch off what early revisions of the
    /// processor we name ourselves after got wrong: it is a late one.
    pub(crate) fn patch_level(&self) -> u64 {
        match self.vendor {
            Vendor::Amd => 0x0800_12FF,
            Vendor::Intel => 0,
        }
    }

    /// Its features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Whether it has one feature.
    #[inline]
    pub fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Leaf 1 EAX: family, model, stepping.
    pub fn signature(&self) -> u32 {
        self.signature
    }

    /// Whether the model has everything that this instruction needs: where it
    /// has not, the instruction raises #UD.
    pub fn implements(&self, instruction: &Instruction) -> bool {
        gate::is_nop_where_unsupported(instruction)
            || instruction
                .cpuid_features()
                .iter()
                .all(|&extension| self.implemented.get(extension as usize).copied().unwrap_or(false))
    }

    /// How the decoder has to read prefixes: without BMI1 and LZCNT, F3 before
    /// BSF and BSR means nothing, and compilers count on that.
    pub(crate) fn decoder_options(&self) -> u32 {
        let mut options = DecoderOptions::AMD;
        if !self.has(Feature::Bmi1) {
            options |= DecoderOptions::NO_MPFX_0FBC;
        }
        if !self.has(Feature::Lzcnt) {
            options |= DecoderOptions::NO_MPFX_0FBD;
        }
        if !self.has(Feature::Lahf64) {
            options |= DecoderOptions::NO_LAHF_SAHF_64;
        }
        options
    }
}

#[cfg(test)]
mod tests;

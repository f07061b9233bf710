//! Finding and opening the device that a word names.

use super::backend;
use super::error::DeviceError;
use super::list::names;
use super::memory::gpu_memories;
use super::name::{AUTO, Name};
use burn::tensor::{Device, Tensor};
use nrp_proto::panics::caught_everywhere;

/// The names `asked` for, with `auto` replaced by the device that it stands for.
///
/// # Errors
/// When one is unknown, not in this build or not on this machine.
pub fn resolve(asked: &[String]) -> Result<Vec<String>, DeviceError> {
    asked
        .iter()
        .map(|name| Ok(find(name)?.to_string()))
        .collect()
}

/// Opens the device that `name` stands for: `auto`, `flex`, `tch:cpu`, `tch:cuda:N`, `wgpu` or
/// `cuda:N`.
///
/// # Errors
/// When the word is unknown, or the device is not in this build, not on this machine, or unusable.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    let found = find(name)?;
    let unusable = |why| DeviceError::Unusable {
        name: found.to_string(),
        why,
    };
    // Before the library allocates any of it.
    gpu_memories();
    // burn's backends panic if a device is missing: better here than in a job.
    let (device, sum) = caught_everywhere(|| {
        let device = backend::device(found).expect("is in this build");
        let sum = Tensor::<1>::ones([2], &device).sum();
        (device, sum.into_scalar::<f32>())
    })
    .map_err(unusable)?;
    match sum {
        2.0 => Ok(device),
        wrong => Err(unusable(format!("it computed 1 + 1 as {wrong}"))),
    }
}

/// The device that a word stands for, if this build has it and the machine is known to.
fn find(name: &str) -> Result<Name, DeviceError> {
    let found = match name {
        AUTO => names().first().copied(),
        word => Name::parse(word),
    };
    let name = name.to_owned();
    match found {
        None => Err(DeviceError::Unknown { name }),
        Some(found) if !found.is_built() => Err(DeviceError::NotBuilt {
            name,
            feature: found.feature(),
        }),
        Some(found) if names().contains(&found) => Ok(found),
        Some(_) => Err(DeviceError::Absent { name }),
    }
}

/// The device that tests train on: the one named by `NRP_TEST_DEVICE`, else flex.
#[cfg(test)]
pub(crate) fn of_tests() -> Device {
    let name = std::env::var("NRP_TEST_DEVICE");
    open(name.as_deref().unwrap_or("flex")).expect("a device that is here")
}

#[cfg(test)]
mod tests {
    use super::super::list::{here, offers};
    use super::super::name::KINDS;
    use super::*;
    use miette::Diagnostic;

    #[test]
    fn a_device_of_this_build_opens_and_auto_takes_the_best() {
        open("flex").expect("is here");
        open(AUTO).expect("something is here");
        let asked = [AUTO, "flex"].map(str::to_owned);
        assert_eq!(resolve(&asked).expect("are here"), [&here()[0], "flex"]);
        let offers = offers();
        assert!(offers[0].is_here && offers[0].device == here()[0]);
        assert!(offers.len() >= KINDS.len(), "{offers:?}");
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let refusal = |name| open(name).expect_err("refused");
        assert_eq!(refusal("gpu").to_string(), "unknown device `gpu`");
        let help = refusal("felx").help().expect("what to do").to_string();
        assert!(
            help.starts_with("did you mean `flex`? devices here: "),
            "{help}"
        );
        let absent = refusal("tch:cuda:99").to_string();
        if cfg!(feature = "tch") {
            assert_eq!(absent, "device `tch:cuda:99` is not on this machine")
        } else {
            assert_eq!(absent, "device `tch:cuda:99` is not in this build")
        }
    }
}

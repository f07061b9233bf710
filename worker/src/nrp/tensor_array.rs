//! The device's array: tensors of all lanes at once, by burn's operations.
//!
//! NRP-L1 of all lanes is one matrix per ANN layer. Lanes of one shape form a stack, whose later
//! layers are batched products. The matrix holds each lane's weights divided by its learning rate:
//! so Adam moves all of them at one rate, in one pass where the library has one, and the products,
//! which are far fewer, are multiplied by the rates instead.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use half::vec::HalfBitsVecExt;
use half::{bf16, f16};

use super::adam::Step;
use super::array::{Array, LaneConfig, Targets};
use super::error::TrainError;
#[cfg(feature = "tch")]
use super::libtorch::FusedAdam;
use super::network::{Parameter, Values};
use super::source::{Batch, Reader, Rows, Stored};
use super::stack::{Fitted, Learning, Rates, Stack, floats, tensor};
use crate::activation::Dtype;

/// Lanes on a device.
pub(super) struct DeviceArray {
    stacks: Vec<Stack>,
    /// Per ANN layer `[units, columns]`: the stacks' lanes side by side, over their learning rates.
    wide: Vec<Learning<2>>,
    /// `[1, columns]`: the learning rates.
    rates: Tensor<2>,
    /// Present if LibTorch is the library.
    #[cfg(feature = "tch")]
    fused: Option<FusedAdam>,
    /// Per ANN layer `[positions, units]`, if all activations stay on the device.
    resident: Option<Vec<Tensor<2>>>,
    /// Per ANN layer, the scaling of its stored activations, once it is on the device.
    scaling: Vec<Option<[Tensor<2>; 2]>>,
    /// Number of steps taken.
    steps: i32,
    device: Device,
}

/// Bytes of a lane: its weights, their moments, and the temporary tensors of Adam's step.
pub(super) fn bytes_of(lane: &LaneConfig) -> u64 {
    /// Most tensors as large as the weights at any time.
    const COPIES: u64 = 8;
    4 * COPIES * lane.network.parameters()
}

impl DeviceArray {
    /// Lanes with their initial values from `first`.
    pub(super) fn new(
        lanes: &[LaneConfig],
        first: &dyn Fn(usize, Parameter) -> Values<'static>,
        device: &Device,
    ) -> Self {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, lane) in lanes.iter().enumerate() {
            let group = groups
                .iter_mut()
                .find(|group| lanes[group[0]].network == lane.network);
            match group {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        let in_order = || groups.iter().flatten().map(|&lane| (lane, &lanes[lane]));
        let layers = lanes[0].network.inputs.iter().enumerate();
        let wide = layers.map(|(layer, &units)| {
            let blocks = in_order().map(|(index, lane)| {
                let outputs = lane.network.block_units();
                let mut block = vec![0.0; units * outputs];
                first(index, Parameter::Wide(layer))(&mut block);
                let block = tensor(block, [units, outputs], device);
                block.div_scalar(lane.adam.learning_rate)
            });
            Learning::new(Tensor::cat(blocks.collect(), 1))
        });
        let wide: Vec<Learning<2>> = wide.collect();
        let rates = in_order().flat_map(|(_, lane)| {
            std::iter::repeat_n(lane.adam.learning_rate as f32, lane.network.block_units())
        });
        let rates: Vec<f32> = rates.collect();
        Self {
            scaling: vec![None; wide.len()],
            rates: tensor(rates.clone(), [1, rates.len()], device),
            #[cfg(feature = "tch")]
            fused: FusedAdam::of(&wide[0].value),
            wide,
            stacks: groups
                .into_iter()
                .map(|group| Stack::new(group, lanes, first, device))
                .collect(),
            resident: None,
            steps: 0,
            device: device.clone(),
        }
    }

    /// `[stimuli, units]` per ANN layer.
    fn activations(&mut self, batch: &Batch<'_>) -> Vec<Tensor<2>> {
        let layers = 0..self.wide.len();
        let Some(whole) = batch.resident() else {
            return layers
                .map(|layer| match batch.stored(layer) {
                    Some(stored) => self.unpack(layer, &stored, batch.positions.len()),
                    None => upload(batch.rows(layer), &self.device),
                })
                .collect();
        };
        let resident = self.resident.get_or_insert_with(|| {
            let units = layers.map(|layer| batch.rows(layer).units);
            let whole = whole.iter().zip(units);
            let place = |(values, units): (&Vec<f32>, usize)| {
                tensor(values.clone(), [values.len() / units, units], &self.device)
            };
            whole.map(place).collect()
        });
        let positions: Vec<i64> = batch.positions.iter().map(|at| *at as i64).collect();
        let positions = TensorData::new(positions, [batch.positions.len()]);
        let positions = Tensor::<1, Int>::from_data(positions, &self.device);
        resident
            .iter()
            .map(|layer| layer.clone().select(0, positions.clone()))
            .collect()
    }

    /// `[stimuli, units]`, scaled, from what goes to the device as it is stored.
    fn unpack(&mut self, layer: usize, stored: &Stored<'_>, stimuli: usize) -> Tensor<2> {
        let shape = [stimuli, stored.bits.len() / stimuli];
        let bits = stored.bits.to_vec();
        let (data, dtype) = match stored.dtype {
            Dtype::F16 => (
                TensorData::new(bits.reinterpret_into::<f16>(), shape),
                DType::F16,
            ),
            Dtype::Bf16 => (
                TensorData::new(bits.reinterpret_into::<bf16>(), shape),
                DType::BF16,
            ),
            Dtype::F32 => unreachable!("has no bits to be unpacked"),
        };
        let values = Tensor::<2>::from_data(data, (&self.device, dtype)).cast(DType::F32);
        let Some((mean, factor)) = stored.scaling else {
            return values;
        };
        let row = |values: &[f32]| tensor(values.to_vec(), [1, values.len()], &self.device);
        let scaling = self.scaling[layer].get_or_insert_with(|| [row(mean), row(factor)]);
        let [mean, factor] = scaling.clone();
        (values - mean) * factor
    }

    /// `[stimuli, columns]` per ANN layer.
    fn products(&self, activations: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let layers = activations.iter().zip(&self.wide);
        layers
            .map(|(activations, wide)| activations.clone().matmul(wide.value.clone()))
            .map(|products| products * self.rates.clone())
            .collect()
    }

    /// The first column of each stack.
    fn columns(&self) -> Vec<usize> {
        let mut next = 0;
        let columns = self.stacks.iter().map(|stack| {
            let column = next;
            next += stack.lanes.len() * stack.network.block_units();
            column
        });
        columns.collect()
    }

    fn lanes(&self) -> usize {
        self.stacks.iter().map(|stack| stack.lanes.len()).sum()
    }

    /// One step of every lane. Returns each stack's squared errors, `[lanes, 1, 1]`, still on the
    /// device.
    fn step(
        &mut self,
        batch: &Batch<'_>,
        targets: Targets<'_>,
    ) -> Result<Vec<Tensor<3>>, TrainError> {
        // A step count past i32 would take centuries; saturating keeps the correction at 1.
        self.steps = self.steps.saturating_add(1);
        let activations = self.activations(batch);
        let products = self.products(&activations);
        let columns = self.columns();
        let targets = Fitted::new(targets.at(batch.positions), targets.sites, &self.device);
        let mut squares = Vec::new();
        let mut upstream = vec![Vec::new(); self.wide.len()];
        let mut keep = Vec::new();
        for (stack, column) in self.stacks.iter_mut().zip(columns) {
            let steps: Vec<Step> = stack
                .adam
                .iter()
                .map(|adam| adam.step(self.steps))
                .collect();
            let own = stack.own(&products, column);
            let (errors, gradients) = stack.differentiate(own, &targets);
            squares.push(errors.square().sum_dim(2).sum_dim(1));
            stack.descend(&gradients, &steps);
            for (layer, upstream) in upstream.iter_mut().enumerate() {
                upstream.push(stack.block(&gradients.products, layer));
            }
            let block = stack.network.block_units();
            let decayed = steps.iter().map(|step| step.keep as f32);
            keep.extend(decayed.flat_map(|kept| std::iter::repeat_n(kept, block)));
        }
        let decays = keep.iter().any(|kept| *kept != 1.0);
        let width = keep.len();
        let keep = decays.then(|| tensor(keep, [1, width], &self.device));
        let upstream = upstream.into_iter().map(|parts| Tensor::cat(parts, 1));
        for ((layer, activations), upstream) in activations.into_iter().enumerate().zip(upstream) {
            if let Some(keep) = &keep {
                self.wide[layer].value.inplace(|w| w * keep.clone());
            }
            self.descend(layer, activations.transpose().matmul(upstream))?;
        }
        Ok(squares)
    }

    /// Moves a layer's wide weights against their gradient.
    fn descend(&mut self, layer: usize, gradient: Tensor<2>) -> Result<(), TrainError> {
        let wide = &mut self.wide[layer];
        #[cfg(feature = "tch")]
        if let Some(fused) = &self.fused {
            return fused.descend(wide, &gradient, self.steps);
        }
        wide.descend(gradient, &Rates::of_one(self.steps, &self.device));
        Ok(())
    }
}

impl Array for DeviceArray {
    fn learn(
        &mut self,
        reader: &mut Reader<'_>,
        targets: Targets<'_>,
    ) -> Result<Vec<f64>, TrainError> {
        // Errors stay on the device until the batches are over: reading one waits for its step.
        let mut steps = Vec::new();
        while let Some(batch) = reader.next()? {
            steps.push(self.step(&batch, targets)?);
        }
        let mut squares = vec![0.0; self.lanes()];
        for step in steps {
            for (stack, found) in self.stacks.iter().zip(step) {
                for (lane, found) in stack.lanes.iter().zip(floats(found)?) {
                    squares[*lane] += f64::from(found);
                }
            }
        }
        Ok(squares)
    }

    fn predict(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Vec<f32>>, TrainError> {
        let mut predicted = vec![Vec::new(); self.lanes()];
        while let Some(batch) = reader.next()? {
            let activations = self.activations(&batch);
            let products = self.products(&activations);
            for (stack, column) in self.stacks.iter().zip(self.columns()) {
                let none = vec![None; stack.dense.len()];
                let values = floats(stack.forward(stack.own(&products, column), none).0)?;
                let each = values.chunks_exact(values.len() / stack.lanes.len());
                for (lane, values) in stack.lanes.iter().zip(each) {
                    predicted[*lane].extend_from_slice(values);
                }
            }
        }
        Ok(predicted)
    }

    fn keep(&mut self, stay: &[bool]) -> Result<(), TrainError> {
        let mut kept = Vec::new();
        for (stack, column) in self.stacks.iter().zip(self.columns()) {
            let block = stack.network.block_units();
            let own = stack.lanes.iter().enumerate();
            let own = own.filter(|(_, lane)| stay[**lane]);
            kept.extend(own.map(|(place, _)| (column + place * block, block)));
        }
        let close_up = |tensor: Tensor<2>| {
            let blocks = kept.iter();
            let blocks = blocks.map(|&(from, width)| tensor.clone().narrow(1, from, width));
            Tensor::cat(blocks.collect(), 1)
        };
        self.rates.inplace(close_up);
        for wide in &mut self.wide {
            wide.change(close_up);
        }
        for stack in &mut self.stacks {
            stack.keep(stay, &self.device);
        }
        self.stacks.retain(|stack| !stack.lanes.is_empty());
        Ok(())
    }

    #[cfg(test)]
    fn first_moment(&self, lane: usize, parameter: Parameter) -> Vec<f32> {
        let mut stacks = self.stacks.iter().zip(self.columns());
        let (stack, column) = stacks
            .find(|(stack, _)| stack.lanes.contains(&lane))
            .expect("a lane of the array");
        let place = stack.lanes.iter().position(|own| *own == lane).unwrap_or(0);
        let own = |learning: &Learning<3>| {
            floats(learning.first.clone().narrow(0, place, 1)).expect("a working device")
        };
        match parameter {
            Parameter::Wide(layer) => {
                let block = stack.network.block_units();
                let first = self.wide[layer].first.clone();
                floats(first.narrow(1, column + place * block, block)).expect("works")
            }
            Parameter::WideBias => own(&stack.wide_bias),
            Parameter::Weight(layer) => own(&stack.dense[layer][0]),
            Parameter::Bias(layer) => own(&stack.dense[layer][1]),
        }
    }
}

/// `[stimuli, units]` on the device.
fn upload(rows: Rows<'_>, device: &Device) -> Tensor<2> {
    let mut values = Vec::with_capacity(rows.rows.len() * rows.units);
    for row in rows.rows {
        values.extend_from_slice(&rows.values[row * rows.units..][..rows.units]);
    }
    tensor(values, [rows.rows.len(), rows.units], device)
}

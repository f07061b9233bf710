//! Preprocessing of images: resized as Pillow's bilinear filter does, then scaled as Keras does.

use image::RgbImage;

use super::{Preprocessing, resize};

/// ImageNet's mean, in 0..255, blue first.
const CAFFE_MEAN: [f32; 3] = [103.939, 116.779, 123.68];

/// ImageNet's mean and standard deviation, in 0..1, red first.
const TORCH_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const TORCH_DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// One image, resized to an ANN's `input` and scaled in its mode.
///
/// # Shapes
/// - returns height · width · channels values, in that order
///
/// # Panics
/// When the image has no pixels.
pub fn preprocess(image: &RgbImage, input: [usize; 3], mode: Preprocessing) -> Vec<f32> {
    let [height, width, _] = input;
    let pixels = resize::bilinear(image, height, width);
    let mut values = Vec::with_capacity(pixels.len());
    for rgb in pixels.as_chunks::<3>().0 {
        values.extend(scaled(rgb.map(f32::from), mode));
    }
    values
}

/// Identifies [`preprocess`] in cache keys. Changes whenever its results do.
pub fn preprocessing_id([height, width, _]: [usize; 3], mode: Preprocessing) -> String {
    format!("{mode} {height}x{width} bilinear v1")
}

fn scaled([r, g, b]: [f32; 3], mode: Preprocessing) -> [f32; 3] {
    match mode {
        Preprocessing::Tf => [r, g, b].map(|x| x / 127.5 - 1.0),
        Preprocessing::Caffe => {
            let bgr = [b, g, r];
            std::array::from_fn(|c| bgr[c] - CAFFE_MEAN[c])
        }
        Preprocessing::Torch => {
            let rgb = [r, g, b];
            std::array::from_fn(|c| (rgb[c] / 255.0 - TORCH_MEAN[c]) / TORCH_DEVIATION[c])
        }
        Preprocessing::Raw => [r, g, b],
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::ann::find;

    /// Values of Keras's `imagenet_utils.preprocess_input` for the pixel (10, 128, 250).
    #[test]
    fn modes_are_keras() {
        let of = |mode| scaled([10.0, 128.0, 250.0], mode);
        let near = |ours: [f32; 3], keras: [f32; 3]| {
            let mut pairs = ours.into_iter().zip(keras);
            assert!(
                pairs.all(|(a, b)| (a - b).abs() < 1e-4),
                "{ours:?} {keras:?}"
            );
        };
        near(
            of(Preprocessing::Tf),
            [-0.921_568_6, 0.003_921_628, 0.960_784_3],
        );
        near(of(Preprocessing::Caffe), [146.061, 11.221, -113.68]);
        near(
            of(Preprocessing::Torch),
            [-1.946_656_4, 0.205_182_22, 2.552_941_3],
        );
        assert_eq!(of(Preprocessing::Raw), [10.0, 128.0, 250.0]);
    }

    #[test]
    fn an_image_becomes_the_input_row_by_row() {
        let info = find("mobilenet").expect("offered");
        let mut image = RgbImage::from_pixel(224, 224, Rgb([0, 0, 0]));
        image.put_pixel(2, 1, Rgb([255, 0, 0]));
        let values = preprocess(&image, info.input, info.preprocessing);
        assert_eq!(values.len(), 224 * 224 * 3);
        let bright: Vec<_> = (0..values.len()).filter(|i| values[*i] > 0.0).collect();
        assert_eq!(bright, [(224 + 2) * 3]);
        let id = preprocessing_id(info.input, info.preprocessing);
        assert_eq!(id, "tf 224x224 bilinear v1");
    }
}

//! Preprocessing of images: resized as Pillow's bilinear filter does, then scaled as Keras does.

use image::RgbImage;

use super::{Preprocessing, Resize, Screen, ScreenError, resize};
use crate::recording::PictureFacts;

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
pub fn preprocess(
    image: &RgbImage,
    input: [usize; 3],
    mode: Preprocessing,
    order: Resize,
) -> Vec<f32> {
    let [height, width, _] = input;
    let pixels = resize::bilinear(image, height, width, order);
    let mut values = Vec::with_capacity(pixels.len());
    for rgb in pixels.as_chunks::<3>().0 {
        values.extend(scaled(rgb.map(f32::from), mode));
    }
    values
}

/// Identifies what [`preprocess`] makes of `pictures`, in trials' ids and cache keys. It changes only for
/// pictures whose results changed: those that are resized in another order, and those that are decoded
/// to other pixels than they once were.
///
/// # Errors
/// When the pictures cannot be placed on `screen`.
pub fn preprocessing_id(
    [height, width, _]: [usize; 3],
    mode: Preprocessing,
    order: Resize,
    screen: Option<Screen>,
    pictures: &PictureFacts,
) -> Result<String, ScreenError> {
    let sizes = match screen {
        None => pictures.shown.iter().map(|(size, _)| *size).collect(),
        Some(screen) => screen.sizes(pictures)?,
    };
    let mut sizes = sizes.into_iter();
    let columns_first = sizes.any(|size| order.begins_with_columns(size, [height, width]));
    let version = if columns_first {
        resize::COLUMNS_FIRST
    } else {
        resize::ROWS_FIRST
    };
    let decoded = if pictures.redecoded { " pixels v2" } else { "" };
    let screen = screen.map_or_else(String::new, |screen| format!(" {screen}"));
    Ok(format!(
        "{mode} {height}x{width} bilinear {version}{decoded}{screen}"
    ))
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
        let values = preprocess(&image, info.input, info.preprocessing, Resize::Pillow13);
        assert_eq!(values.len(), 224 * 224 * 3);
        let bright: Vec<_> = (0..values.len()).filter(|i| values[*i] > 0.0).collect();
        assert_eq!(bright, [(224 + 2) * 3]);
    }

    #[test]
    fn an_id_says_what_changed_for_the_pictures_at_hand_and_nothing_else() {
        let input = find("mobilenet").expect("offered").input;
        let id = |sizes: &[[u32; 2]], redecoded, order| {
            let shown = sizes.iter().map(|size| (*size, None)).collect();
            let facts = PictureFacts {
                shown,
                redecoded,
                ..PictureFacts::default()
            };
            preprocessing_id(input, Preprocessing::Tf, order, None, &facts).expect("an id")
        };
        let [old, new] = [Resize::Pillow12, Resize::Pillow13];
        let wide = [[224, 900], [500, 375], [256, 256], [300, 376]];
        assert_eq!(id(&wide, false, new), "tf 224x224 bilinear v1");
        assert_eq!(id(&wide, false, old), "tf 224x224 bilinear v1");
        // One tall picture is enough, whether its width shrinks or grows.
        for tall in [[300, 377], [100, 225]] {
            let sizes = [&wide[..], &[tall]].concat();
            assert_eq!(id(&sizes, false, new), "tf 224x224 bilinear v2");
            assert_eq!(id(&sizes, false, old), "tf 224x224 bilinear v1");
        }
        assert_eq!(id(&wide, true, new), "tf 224x224 bilinear v1 pixels v2");
        // A worker reads the order from the id.
        for order in [old, new] {
            let id = id(&[[100, 900]], true, order);
            assert_eq!(Resize::of_preprocessing(&id), order, "{id}");
        }
        for word in ["", "torch", "torch 224x224 bilinear v2 pixels v2"] {
            assert_eq!(Resize::of_preprocessing(word), new, "{word}");
        }
        for word in ["pillow-12", "torch pillow-12"] {
            assert_eq!(Resize::of_preprocessing(word), old, "{word}");
        }
    }
}

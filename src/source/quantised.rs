//! Checkpoints whose weights are not in the file as floats: quantised ones, and those that ZeRO-3 left
//! empty.

use std::collections::BTreeMap;

use super::stored::NotRead;
use super::whole::Whole;

/// What is added to the name of a matrix of 8-bit floats, or takes the place of its last part, in the
/// name of its scales.
const SCALES: [&str; 2] = ["_scale_inv", "_scale"];
/// Ends of the names of scales of integers.
const OF_INTEGERS: [&str; 5] = ["scale", "scales", "absmax", "SCB", "scb"];

/// Takes the scales of 8-bit floats out of the tensors, for these to be multiplied by them.
pub(super) fn take_scales(tensors: &mut BTreeMap<String, Whole>) -> Result<(), String> {
    let names: Vec<String> =
        tensors.iter().filter(|(_, tensor)| tensor.is_8_bit()).map(|(n, _)| n.clone()).collect();
    for name in names {
        let next_to = SCALES.iter().map(|end| format!("{name}{end}"));
        let of_module = name.strip_suffix("weight").map(|module| format!("{module}scale_weight"));
        let Some(found) = next_to.chain(of_module).find(|scale| tensors.contains_key(scale)) else {
            continue;
        };
        let Some(scale) = tensors.remove(&found) else { continue };
        let (own, other) = (tensors[&name].shape.clone(), scale.shape.clone());
        if !tensors.get_mut(&name).is_some_and(|tensor| tensor.scaled(scale)) {
            return Err(format!(
                "tensor {name:?} of 8-bit floats has shape {own:?}, and its scales {found:?} have \
                 {other:?}: these are for neither rows nor blocks; save the model in bf16"
            ));
        }
    }
    Ok(())
}

/// Why the weights of a checkpoint are not those of a model, if they are not.
pub(super) fn refusal(tensors: &BTreeMap<String, Whole>, not_read: &[NotRead]) -> Option<String> {
    let floats = tensors.values().any(|tensor| tensor.shape.len() > 1);
    let integers = |left: &&NotRead| {
        let torchs = is_torchs(&left.what) && !floats;
        left.shape.len() > 1 && (is_integer(&left.what) || torchs)
    };
    let names = tensors.keys().map(String::as_str);
    let names: Vec<&str> = names.chain(not_read.iter().map(|left| left.name.as_str())).collect();
    let kind = |left: &NotRead| method(&left.name, &left.what, &names);
    let quantised: Vec<(&NotRead, &str)> =
        not_read.iter().filter(integers).filter_map(|left| Some((left, kind(left)?))).collect();
    if let Some((first, kind)) = quantised.first() {
        let (n, NotRead { name, shape, what }) = (quantised.len(), first);
        return Some(format!(
            "{n} of its tensors hold quantised weights ({kind}), {name:?} {shape:?} {what} the first: \
             dequantise the model and save it again, for example with \
             AutoModelForCausalLM.from_pretrained(..).dequantize().save_pretrained(..)"
        ));
    }
    // Of 8-bit floats with scales that cannot be read, the bare numbers would be other weights.
    let scale_of = |name: &str| {
        let scale = |left: &&NotRead| SCALES.iter().any(|end| left.name == format!("{name}{end}"));
        not_read.iter().find(scale)
    };
    let mut floats8 = tensors.iter().filter(|(_, tensor)| tensor.is_8_bit());
    if let Some((name, scale)) = floats8.find_map(|(name, _)| Some((name, scale_of(name)?))) {
        return Some(format!(
            "its tensor {name:?} holds 8-bit floats whose scales {:?} are {}, which is not read: \
             dequantise the model and save it in bf16",
            scale.name, scale.what
        ));
    }
    let empty = tensors.values().filter(|tensor| tensor.count() == 0).count();
    if empty > 0 && 2 * empty > tensors.len() {
        let all = tensors.len();
        return Some(format!(
            "{empty} of its {all} tensors are empty, as DeepSpeed's ZeRO-3 leaves them where it does \
             not gather the weights: convert its checkpoint with zero_to_fp32.py, or train with \
             stage3_gather_16bit_weights_on_model_save"
        ));
    }
    None
}

/// Tensors that are not read and may hold weights, in words: their count and their share of the elements.
pub(super) fn left_out(tensors: &BTreeMap<String, Whole>, not_read: &[NotRead]) -> Option<String> {
    let may = |left: &&NotRead| {
        let no_weights = [
            "64",
            "BOOL",
            "bool",
            "LongStorage",
            "BoolStorage",
            "meta\"",
            "meta_tensor_no_storage\"",
        ];
        let buffer = [".bias", "mask", "masks", "_ids", "index", "indices"];
        left.shape.len() > 1
            && !no_weights.iter().any(|end| left.what.ends_with(end))
            && !buffer.iter().any(|end| left.name.ends_with(end))
    };
    let left: Vec<&NotRead> = not_read.iter().filter(may).collect();
    let NotRead { name, shape, what } = left.first()?;
    let elements = |shape: &[usize]| shape.iter().fold(1.0, |n, &d| n * d as f64);
    let not: f64 = left.iter().map(|left| elements(&left.shape)).sum();
    let read: f64 = tensors.values().map(|tensor| elements(&tensor.shape)).sum();
    let (n, all) = (left.len(), tensors.len() + not_read.len());
    Some(format!(
        "{n} of its {all} tensors, {:.0} % of the elements, are not read and not analysed: {name:?} \
         {shape:?} is {what}{}",
        100.0 * not / (not + read),
        if n > 1 { ", and so on (inspect lists them)" } else { "" }
    ))
}

/// Whether it is a tensor of torch's own quantised types.
fn is_torchs(what: &str) -> bool {
    what.ends_with("\"quantised\"")
}

fn is_integer(what: &str) -> bool {
    const INTEGERS: [&str; 18] = [
        "U8",
        "I8",
        "I16",
        "U16",
        "I32",
        "U32",
        "F4",
        "uint8",
        "int8",
        "int16",
        "int32",
        "uint16",
        "uint32",
        "ByteStorage",
        "CharStorage",
        "ShortStorage",
        "IntStorage",
        "UntypedStorage",
    ];
    what.rsplit(' ').next().is_some_and(|kind| INTEGERS.contains(&kind))
}

/// By which method a tensor of integers is quantised, by its name and those of the tensors with it.
fn method(name: &str, what: &str, names: &[&str]) -> Option<&'static str> {
    let (module, last) = name.rsplit_once('.').unwrap_or(("", name));
    let next_to = |wanted: &dyn Fn(&str) -> bool| {
        names.iter().any(|other| {
            let rest = other.strip_prefix(module).map(|rest| rest.trim_start_matches('.'));
            *other != name && rest.is_some_and(wanted)
        })
    };
    let starts = |start: &'static str| next_to(&move |rest: &str| rest.starts_with(start));
    let scaled = next_to(&|rest: &str| {
        let end = rest.rsplit(['.', '_']).next().unwrap_or(rest);
        !rest.contains('.') && OF_INTEGERS.contains(&end)
    });
    Some(match last {
        "qweight" if starts("g_idx") => "GPTQ",
        "qweight" => "GPTQ or AWQ",
        "qzeros" | "g_idx" => "GPTQ or AWQ",
        "weight_packed" => "compressed-tensors",
        "weight" if starts("weight.absmax") || starts("weight.quant") => "bitsandbytes, 4 bits",
        "weight" if starts("SCB") => "bitsandbytes, 8 bits",
        "W_q" => "HQQ",
        _ if last.ends_with("_blocks") && scaled => "MXFP4",
        "weight" if scaled => "integers with scales",
        _ if scaled && last.contains("weight") => "integers with scales",
        _ if is_torchs(what) => "torch's own quantisation",
        "weight" if what.ends_with("U8") || what.ends_with("uint8") => "4 or 8 bits",
        "weight" => "integers",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_that_torch_quantises_are_refused_wherever_they_lie() {
        let what = "a tensor of torch's kind \"quantised\"".to_owned();
        let name = "0._packed_params._packed_params.0".to_owned();
        let left = NotRead { name, shape: vec![64, 32], what };
        let why = refusal(&BTreeMap::new(), &[left]).unwrap();
        assert!(
            why.starts_with("1 of its tensors hold quantised weights (torch's own quantisation)")
        );
    }

    #[test]
    fn methods_are_known_by_their_names() {
        let of = |name: &str, others: &[&str]| method(name, "of the type I32", others);
        assert_eq!(of("a.qweight", &["a.g_idx", "a.scales"]), Some("GPTQ"));
        assert_eq!(of("a.qweight", &["b.g_idx", "a.scales"]), Some("GPTQ or AWQ"));
        assert_eq!(of("a.weight_packed", &["a.weight_scale"]), Some("compressed-tensors"));
        assert_eq!(of("a.weight", &["a.weight.absmax"]), Some("bitsandbytes, 4 bits"));
        assert_eq!(of("a.weight", &["a.SCB"]), Some("bitsandbytes, 8 bits"));
        assert_eq!(of("a.weight", &["a.weight_scale"]), Some("integers with scales"));
        assert_eq!(of("e.down_proj_blocks", &["e.down_proj_scales"]), Some("MXFP4"));
        assert_eq!(of("a.weight", &["b.scale"]), Some("integers"));
        assert_eq!(of("attn.bias", &["attn.scale"]), None);
        assert_eq!(of("position_ids", &[]), None);
    }
}

"""Private: examples of each command, which its help shows."""

# What to type, by the name of the command.
EXAMPLES = {
    "train": [
        "ostinato train classify reviews.csv --out model",
        "ostinato train forecast sales.csv --out model --horizon 24",
        "ostinato train --config model/config.json --out again",
    ],
    "train classify": [
        "ostinato train classify reviews.csv --out model",
        "ostinato train classify reviews.csv --out model --text body --label stars",
        "ostinato train classify sensors.npz --out model --test test.npz",
        "ostinato train classify films.csv --out model --multi-label --label genres",
    ],
    "train tag": [
        "ostinato train tag en-train.conllu --out model",
        "ostinato train tag entities.tsv --out model --test test.tsv",
    ],
    "train frames": ["ostinato train frames clips.npz:train --out model --test clips.npz:test"],
    "train forecast": [
        "ostinato train forecast sales.csv --out model",
        "ostinato train forecast sales.csv --out model --columns price --season 7 --horizon 14",
    ],
    "train translate": ["ostinato train translate pairs.tsv --out model --source en --target ko"],
    "train transcribe": ["ostinato train transcribe clips.npz:train --out model"],
    "train generate": [
        "ostinato train generate book.txt --out model",
        "ostinato train generate book.txt --out model --seconds 300 --layers 2",
    ],
    "train caption": ["ostinato train caption pictures.csv --out model --folder photos"],
    "predict": [
        "ostinato predict model",
        "ostinato predict model new.csv -o predictions.csv",
        "ostinato predict model new.csv --json",
        "ostinato predict model --steps 24",
        "echo 'a good film' | ostinato predict model",
    ],
    "evaluate": [
        "ostinato evaluate model test.csv",
        "ostinato evaluate model test.csv --json",
    ],
    "info": ["ostinato info model"],
    "inspect": [
        "ostinato inspect model 'a good film'",
        "ostinato inspect model 'a good film' -o states.png",
    ],
    "compare": ["ostinato compare model-a model-b"],
    "export": [
        "ostinato export model --to onnx --out model.onnx",
        "ostinato export model --to c --out firmware/model.c --weights int8",
    ],
    "import": [
        "ostinato import model.onnx --out layers",
        "ostinato import model.keras --out layers",
        "ostinato import model.ckpt-1000 --scope rnn --out layers",
    ],
    "generate": [
        "ostinato generate model --prompt 'It was ' --length 300",
        "ostinato generate model --temperature 0.5 --seed 1",
    ],
    "demo": ["ostinato demo --seconds 30"],
    "doctor": ["ostinato doctor"],
    "bench": ["ostinato bench --quick"],
}


def examples_of(command: str) -> str:
    """The examples of a command as the last part of its help."""
    return "Examples:\n\n" + "\n\n".join(f"  {example}" for example in EXAMPLES[command])

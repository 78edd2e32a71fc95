"""The loss mask of a row: its token ids, and which are the agent's, by the chat template of the model to be trained."""

from __future__ import annotations

from typing import Any

from t2t_dist.core.errors import InputError

from .messages import conversation, trained


def mask(tokenizer: Any, row: dict[str, Any], **template: Any) -> tuple[list[int], list[int]]:
    """``(ids, mask)`` of a row of the sft or hf format, equally long; the mask is 1 where a token is the agent's.

    The ids are those of ``tokenizer.apply_chat_template(messages, tools=tools)``. A message's tokens begin after the
    template's generation prompt, and end with the token that ends the turn: what a template puts behind that (a line
    break) is never sampled. A token that is only partly the agent's is not trained on.

    Args:
        tokenizer: a fast tokenizer of transformers with a chat template that knows tools.
        template: more arguments of the template, such as ``enable_thinking=False``.

    Raises:
        InputError: a slow tokenizer, or a template that rewrites earlier messages as the conversation goes on, so that
            the training text is not what was sampled.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            "mask: a fast tokenizer is needed, because only those give the position of each token in the text"
        )
    messages, tools = conversation(row)

    def rendered(count: int, **more: Any) -> str:
        text = tokenizer.apply_chat_template(messages[:count], tools=tools, tokenize=False, **template, **more)
        return str(text)

    text = rendered(len(messages))
    spans = []
    for place, message in enumerate(row["messages"]):
        if not trained(message):
            continue
        before, after = rendered(place, add_generation_prompt=True), rendered(place + 1)
        if not after.startswith(before) or not text.startswith(after):
            raise InputError(
                f"mask: the chat template does not leave message {place} as it was when the conversation goes on; take"
                " a template that keeps what was said (and its reasoning), or rows without reasoning"
            )
        spans.append((len(before), len(after)))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    special = {*tokenizer.all_special_ids, *getattr(tokenizer, "added_tokens_decoder", {})}
    found, place = [0] * len(ids), 0
    for start, end in spans:
        while place < len(ids) and offsets[place][0] < start:
            place += 1
        last = None
        while place < len(ids) and offsets[place][1] <= end and offsets[place][0] < end:
            found[place] = 1
            last = place if ids[place] in special else last
            place += 1
        if last is not None and not text[offsets[last][1] : end].strip():
            found[last + 1 : place] = [0] * (place - last - 1)
    return list(ids), found

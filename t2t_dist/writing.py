"""The writing model's side of the convert stage: plain summaries of the structure in, checked words out."""

from __future__ import annotations

from t2t_dist.core.errors import ContextExceeded
from t2t_dist.core.prompts.render import BadAnswer
from t2t_dist.core.schema import Intent, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.models.chat import ChatModel
from t2t_dist.synthesis.convert import BadWords
from t2t_dist.synthesis.writer_llm import write


class LlmWriter:
    """Any chat model as the writer."""

    def __init__(self, model: ChatModel) -> None:
        self.model, self.name = model, model.name

    async def write(self, domain: Domain, intent: Intent, user: UserSide, seed: int) -> UserSide:
        """The same side in the model's words. Raises BadWords, EpisodeFailure."""
        # The template's request says what each goal is; the facts to be said and withheld go with the side itself.
        goals = [goal.request for goal in user.goals]
        change = user.change.request if user.change else None
        try:
            words = await write(self.model, user, intent, goals, domain=domain, seed=seed, change=change)
        except ContextExceeded as error:
            raise BadWords(f"the prompt does not fit the model: {error}", "") from None
        if isinstance(words, BadAnswer):
            raise BadWords(words.why, words.raw)
        return words

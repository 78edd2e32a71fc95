"""Whether a refusal says that the conversation has outgrown the model's context, in the words of many servers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from t2t_dist.models.refusals import says_too_long


def of(message: str, **more: Any) -> dict[str, Any]:
    """OpenAI's shape, which most servers copy."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


#: (server, status, body): each says that the prompt does not fit, some of them in several versions.
TOO_LONG: list[tuple[str, int, Any]] = [
    ("OpenAI", 400, of("Your input was refused.", code="context_length_exceeded")),
    (
        "OpenAI",
        400,
        of("This model's maximum context length is 8192 tokens. However, your messages resulted in 9,731."),
    ),
    ("OpenAI", 400, of("Your input exceeds the context window of this model. Please adjust your input and try again.")),
    ("OpenAI", 400, of("Invalid 'messages[3].content': string too long. Expected a string with maximum length 9000.")),
    (
        "OpenAI",
        400,
        of("Invalid 'messages': array too long. Expected an array with maximum length 2048, but got 2049."),
    ),
    ("Azure", 400, of("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 301000.")),
    ("GitHub", 413, of("Request body too large for gpt-9 model. Max size: 8000 tokens.", code="tokens_limit_reached")),
    ("Copilot", 400, of("prompt token count of 70014 exceeds the limit of 64000", code="model_max_prompt_tokens")),
    (
        "vLLM",
        400,
        {
            "object": "error",
            "message": "The decoder prompt (length 5031) is longer than the maximum model"
            " length of 4096. Make sure that `max_model_len` is larger.",
        },
    ),
    (
        "vLLM",
        400,
        of(
            "This model's maximum context length is 4096 tokens. However, you requested 64 output tokens and"
            " your prompt contains at least 4033 input tokens."
        ),
    ),
    ("vLLM", 400, of("The engine prompt length 132724 exceeds the max_model_len 131072. Please reduce prompt.")),
    (
        "SGLang",
        400,
        {
            "object": "error",
            "message": "The input (70001 tokens) is longer than the model's context length (65536 tokens).",
        },
    ),
    (
        "SGLang",
        400,
        of(
            "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a"
            " total of 4201 tokens: 4001 tokens from the input messages and 200 tokens for the completion."
        ),
    ),
    (
        "SGLang",
        400,
        of("Input length (9000 tokens) exceeds the maximum allowed length (8187 tokens). Use a shorter input."),
    ),
    (
        "TGI",
        422,
        {
            "error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 4611",
            "error_type": "validation",
        },
    ),
    (
        "TGI",
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1990"
            " `inputs` tokens and 100 `max_new_tokens`",
            "error_type": "validation",
        },
    ),
    (
        "llama.cpp",
        400,
        of(
            "request (5012 tokens) exceeds the available context size (4096 tokens), try increasing it",
            type="exceed_context_size_error",
            n_ctx=4096,
        ),
    ),
    ("llama.cpp", 500, of("the request exceeds the available context size. try increasing it", type="server_error")),
    (
        "llama-cpp-python",
        500,
        of("Requested tokens (4401) exceed context window of 4096", type="internal_server_error"),
    ),
    ("Ollama", 400, {"error": "prompt too long; exceeded max context length by 211 tokens"}),
    ("Ollama", 400, {"error": "input length exceeds maximum context length"}),
    (
        "LM Studio",
        400,
        {
            "error": "Trying to keep the first 5120 tokens when context the overflows. However, the model is"
            " loaded with context length of only 4096 tokens, which is not enough."
        },
    ),
    ("LM Studio", 400, of("The number of tokens to keep from the initial prompt is greater than the context length")),
    ("LM Studio", 400, of("Cannot truncate prompt with n_keep (5008) >= n_ctx (4096): context size exceeded")),
    ("TensorRT-LLM", 400, of("Prompt length (9216) exceeds maximum input length (8192)")),
    (
        "TensorRT-LLM",
        500,
        {
            "object": "error",
            "message": "The sum of prompt length (8001.0), query length (0) should not exceed max_num_tokens (8192)",
        },
    ),
    ("MLC", 400, of("Request prompt has 5000 tokens in total, larger than the model input length limit 4096.")),
    ("LMDeploy", 400, of("The input length 9001 exceeds the session length 8192", type="internal_error")),
    (
        "Anthropic",
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "prompt is too long: 213462 tokens > 200000 maximum"},
        },
    ),
    (
        "Anthropic",
        413,
        {
            "type": "error",
            "error": {"type": "request_too_large", "message": "Request exceeds the maximum allowed number of bytes."},
        },
    ),
    (
        "Anthropic",
        400,
        of(
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input"
            " length or `max_tokens` and try again"
        ),
    ),
    ("Bedrock", 400, {"message": "Input is too long for requested model."}),
    ("Bedrock", 424, {"message": "The model returned the following errors: Input is too long for requested model."}),
    ("Bedrock", 400, {"message": "Too many input tokens. Max input tokens: 8192, request input token count: 9912"}),
    ("Bedrock", 400, {"message": "Input Tokens Exceeded: Number of input tokens exceeds maximum length."}),
    (
        "Gemini",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "status": "INVALID_ARGUMENT",
                    "message": "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)",
                }
            }
        ],
    ),
    (
        "Mistral",
        400,
        {
            "object": "error",
            "type": "invalid_request_error",
            "code": "3051",
            "message": "Prompt contains 40021 tokens and 0 draft tokens, too large for model with 32768 maximum"
            " context length",
        },
    ),
    (
        "Cohere",
        400,
        {
            "message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received"
            " 4600. Try using a shorter prompt, or a smaller max_tokens value."
        },
    ),
    (
        "Cohere",
        400,
        {"message": "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs"},
    ),
    ("Groq", 400, of("Please reduce the length of the messages or completion.", code="context_length_exceeded")),
    ("Groq", 400, of("Please reduce the length of the messages or completion.")),
    (
        "Cerebras",
        400,
        {
            "message": "Please reduce the length of the messages or completion. Current length is 9001 while"
            " limit is 8192",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        },
    ),
    (
        "Together",
        422,
        of(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000"
            " `inputs` tokens and 512 `max_new_tokens`"
        ),
    ),
    ("Fireworks", 400, of("The prompt is too long: 140021, model maximum context length: 131072")),
    (
        "DeepSeek",
        400,
        of(
            "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens"
            " (136000 in the messages, 4000 in the completion). Please reduce the length."
        ),
    ),
    ("DashScope", 400, of("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]")),
    (
        "SiliconFlow",
        400,
        {
            "code": 20015,
            "data": None,
            "message": "length of prompt_tokens (143644) must be less than max_seq_len (65536).",
        },
    ),
    (
        "SiliconFlow",
        400,
        {
            "code": 20015,
            "data": None,
            "message": "max_total_tokens (70000) must be less than or equal to max_seq_len (32768)",
        },
    ),
    (
        "OpenRouter",
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"message":"prompt is too long: 213462 tokens > 200000 maximum"}',
                    "provider_name": "Anthropic",
                },
            }
        },
    ),
    (
        "OpenRouter",
        400,
        of(
            "This endpoint's maximum context length is 32768 tokens. However, you requested about 41000"
            " tokens (33000 of text input, 8000 in the output).",
            code=400,
        ),
    ),
    (
        "xAI",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        },
    ),
    ("Moonshot", 400, of("Invalid request: Your request exceeded model token limit: 131072")),
    ("Moonshot", 400, of("Input token length too long")),
    ("MiniMax", 400, of("invalid params, context window exceeds limit (2013)", type="bad_request_error")),
    ("StepFun", 400, of("Total message token length exceed model limit")),
    ("Zhipu", 400, of("Prompt exceeds max length", code="1261")),
    ("Zhipu", 400, of("Prompt 超长", code="1261")),
    ("Baidu", 400, of("Prompt tokens too long", code="tokens_too_long")),
    ("Volcengine", 400, of("Total tokens of image and text exceed max message tokens", code="InvalidParameter")),
    (
        "watsonx",
        400,
        {
            "errors": [
                {
                    "code": "invalid_input_argument",
                    "message": "the number of input tokens 5000 cannot exceed the total tokens limit 4096",
                }
            ]
        },
    ),
    ("LiteLLM", 400, of("litellm.ContextWindowExceededError: litellm.BadRequestError: it did not work", code="400")),
    ("Gemini", 400, of("Request payload size exceeds the limit: 10485760 bytes.")),
    ("DashScope", 400, of("Input length should be in the range of [1, 98304]")),
    ("Baidu", 400, of("the max input characters is 11200")),
    ("gateways", 400, of("token数量超过上限")),
    ("Bedrock", 400, {"message": "Malformed input request: expected maxLength: 50000, actual: 60000, please retry."}),
    ("Cloudflare", 400, {"errors": [{"message": "Length of '/prompt' must be <= 6144", "code": 5006}]}),
    ("axum", 413, of("Maximum request body size 1048576 exceeded, actual body size 2000000")),
    (
        "vLLM",
        400,
        of(
            "The prompt (total length 9000) is too long to fit into the model (context length 8192). Make sure that"
            " `max_model_len` is no smaller than the number of text tokens plus multimodal tokens. For image inputs,"
            " the number of image tokens depends on the number of images, and possibly their aspect ratios as well."
        ),
    ),
    ("gateways", 400, of("tokens in request more than max tokens allowed")),
    ("gateways", 400, of("Prompt has 5,012 tokens, but the configured context size is 4,096 tokens")),
    ("gateways", 400, of("Model context window is 128k tokens, you requested 256k tokens")),
    ("gateways", 400, of("The request payload size has exceed context limit.")),
    ("vLLM", 400, of("max_tokens must be at least 1, got -200.")),
    (
        "vLLM",
        400,
        of(
            "You passed 40001 input tokens and requested 900 output tokens. However, the model's context length is only"
            " 40960 tokens, resulting in a maximum input length of 40060 tokens. Please reduce the length of the input."
        ),
    ),
    ("llama.cpp", 500, of("Context size has been exceeded.", type="server_error")),
    ("LM Studio", 400, {"error": "This message is too long for the model's context. Please shorten it."}),
    (
        "TensorRT-LLM",
        400,
        of(
            "default_max_tokens (-9) must be greater than 0, default_max_tokens (-9) = max_seq_len (8192) - prompt"
            " (8201)"
        ),
    ),
    (
        "Vertex",
        400,
        of("Unable to submit request because the input token count is 1048600 but model only supports up to 1048576."),
    ),
    ("Vertex", 400, of("Request contains text fields that are too large.")),
    (
        "Fireworks",
        400,
        of("Prompt tokens (140000) + max_tokens (4096) exceeds model context length 131072", object="error"),
    ),
    (
        "Databricks",
        400,
        {"error_code": "BAD_REQUEST", "message": '{"message":"Input length 9000 exceeds the maximum 8192 tokens"}'},
    ),
    (
        "Databricks",
        413,
        {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Request size cannot exceed 4194304 bytes."},
    ),
    ("MLX", 400, {"error": "Prompt exceeds the model's max_position_embeddings (4096)"}),
    (
        "SambaNova",
        400,
        of(
            "Requested generation length 1 is not possible! The provided prompt is 9000 tokens long, so generating 1"
            " tokens requires a sequence length of 9001, but the maximum supported sequence length is just 8192!"
        ),
    ),
    ("gateways", 400, {"detail": "Conversation too long"}),
]

#: (kind, status, body): each names a limit, and none means the conversation's length.
OTHERS: list[tuple[str, int, Any]] = [
    (
        "rate",
        429,
        of(
            "Request too large for gpt-9 on tokens per min (TPM): Limit 30000, Requested 50000. The input or"
            " output tokens must be reduced in order to run successfully.",
            code="rate_limit_exceeded",
        ),
    ),
    (
        "rate",
        413,
        of(
            "Request too large for model `m` in organization `o` on tokens per minute (TPM): Limit 6000,"
            " Requested 9000",
            type="tokens",
            code="rate_limit_exceeded",
        ),
    ),
    ("rate", 400, of("Rate limit exceeded: too many tokens")),
    ("rate", 400, of("ThrottlingException: Too many tokens, please wait before trying again.")),
    ("rate", 400, of("request reached organization TPD rate limit, current: 1506556, limit: 1500000")),
    ("rate", 429, {"message": "Too many input tokens."}),
    ("rate", 400, of("You have exceeded the tokens-per-minute limit: input tokens 40000 exceed 30000")),
    ("output", 400, of("The response was too long: output token limit reached")),
    ("output", 400, of("The output limit of this model is 4096 tokens; you asked for 8000")),
    ("output", 400, of("max_tokens must be at least 1, got 0.")),
    ("money", 402, of("This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens.")),
    ("money", 400, of("You exceeded your current quota, please check your plan and billing details.")),
    ("money", 403, of("Monthly token limit exceeded")),
    ("output", 400, of("max_tokens is too large: 32000. This model supports at most 16384 completion tokens.")),
    ("output", 400, of("max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for c")),
    (
        "output",
        400,
        of(
            "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less"
            " than the `context_window` for this model"
        ),
    ),
    (
        "output",
        400,
        of("max_tokens=5000 cannot be greater than max_model_len=4096. Please request fewer output tokens."),
    ),
    (
        "output",
        400,
        of(
            "'max_tokens' is too large: 5000. This model's maximum context length is 4096 tokens and your"
            " request has 10 input tokens (5000 > 4096 - 10)."
        ),
    ),
    (
        "output",
        400,
        of(
            "This model's maximum context length is 4096 tokens. However, you requested 5010 tokens (20 in"
            " the messages, 4990 in the completion)."
        ),
    ),
    ("output", 400, of("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]")),
    ("output", 400, of("Range of max_tokens should be [1, 8192]")),
    (
        "output",
        422,
        {"error": "Input validation error: `max_new_tokens` must be <= 512. Given: 4000", "error_type": "validation"},
    ),
    ("output", 400, {"message": "The maximum tokens you requested exceeds the model limit of 4096."}),
    ("output", 400, of("`max_tokens` must be greater than `thinking.budget_tokens`.")),
    ("output", 400, {"message": "too many tokens: max tokens must be less than or equal to 4096, the maximum output"}),
    ("image", 400, of("messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6291456 bytes > 5242880")),
    ("image", 413, of("The image file is too large, at most 20 MB")),
    ("image", 400, of("At most 1 image(s) may be provided in one request.")),
    ("tools", 400, of("tools: array too long. Expected an array with maximum length 128, but got 130 instead.")),
    ("tools", 400, of("Invalid 'tools[0].function.description': string too long. Expected maximum length 1024.")),
    ("tools", 400, of("Invalid 'user': string too long. Expected a string with maximum length 64.")),
    ("name", 400, of("Invalid 'messages[2].name': string too long. Expected a string with maximum length 64.")),
    ("name", 400, {"message": "Malformed input request: expected maxLength: 64, actual: 70"}),
    ("output", 400, of("max_tokens数量超过上限")),
    ("engine", 500, of("KV cache is not enough for model length", type="server_error")),
    ("engine", 500, of("grpc: received message larger than max (5000000 vs. 4194304)")),
    ("timeout", 500, of("context deadline exceeded", type="server_error")),
    ("gateway", 503, of("context length exceeded the queue")),
    ("key", 401, of("The access token is too long")),
    ("settings", 400, of("temperature must be less than or equal to 2")),
    ("settings", 400, of("Model context window too small (minimum is 128k tokens)")),
    (
        "echo",
        422,
        {
            "detail": [
                {
                    "type": "missing",
                    "loc": ["body", "model"],
                    "msg": "Field required",
                    "input": {"messages": [{"role": "user", "content": "my prompt is too long"}]},
                }
            ]
        },
    ),
    ("model", 404, of("The model `context-length-exceeded` does not exist")),
]


@pytest.mark.parametrize(("server", "status", "body"), TOO_LONG)
@pytest.mark.parametrize("max_tokens", [None, 256])
def test_a_full_context_in_the_words_of_each_server(
    server: str, status: int, body: Any, max_tokens: int | None
) -> None:
    assert says_too_long(status, orjson.dumps(body), max_tokens)
    # In a 200 no status is known.
    assert says_too_long(None, body, max_tokens)


@pytest.mark.parametrize(("kind", "status", "body"), OTHERS)
def test_other_limits_are_not_a_full_context(kind: str, status: int, body: Any) -> None:
    assert not says_too_long(status, orjson.dumps(body), None)


#: More words of the same two kinds, without a server of their own.
PHRASES = [
    "Requested prompt is too big: 9000 tokens",
    "The total length of prompt and max_tokens must be less than 4096",
    "Please reduce the length of your prompt.",
    "The maximum number of input tokens is 4096, got 5000",
    "Input is longer than the context window",
    "Context limit reached",
    "conversation exceeds the model's context",
    "Maximum context size exceeded: 5000 > 4096",
    "too many input tokens: 5000 (max 4096)",
    "prompt_tokens (5000) + max_tokens (100) > n_ctx (4096)",
    "Token count exceeds the model's limit of 4096",
    "Prompt has too many tokens",
    "This model only supports 4096 input tokens, 5000 given",
    "Your request is too long for this model",
    "Message history is too long",
    "The text is too long: 5000 tokens, limit 4096",
    "max_seq_len exceeded",
    "sequence length 5000 > 4096",
    "context_length: 4096, requested 5000",
    "ContextLengthExceeded",
    "input tokens exceeds limit",
    "The input token count exceeds the maximum",
    "total tokens 5000 exceed model max length 4096",
    "Prompt length 5000 is larger than max_model_len 4096",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
    "prompt exceeds the model's maximum length",
    "length of messages exceeds max length",
    "exceeds the model's context",
    "Error: Prompt tokens (5000) exceed the configured maximum (4096)",
    "the request's 5000 tokens do not fit into the model's 4096",
    "KV cache: prompt of 5000 tokens can not fit into context of 4096",
    "prompt is longer than n_ctx",
    "request exceeds model's input limit",
    "Input text exceeds the maximum token limit",
    "messages tokens exceed 4096",
    "The number of tokens in your prompt (5000) exceeds the limit (4096)",
    "The prompt must be shorter than 4096 tokens",
    "Number of tokens in prompt is too large: 5000",
    "Your message is too long. Maximum is 4096 tokens.",
    "context_window_exceeded",
    "input_too_long",
    "InputTooLongError",
    "prompt_too_long",
    "model_context_exceeded",
    "context_overflow",
    "max_prompt_tokens_exceeded",
    "tokens_exceeded",
    "exceeded_context_length",
    "上下文长度超过限制",
    "输入内容过长",
    "提示词长度超限",
]
OTHER_PHRASES = [
    "Rate limit reached for tokens per minute",
    "max_tokens must be at most 4096",
    "max_completion_tokens exceeds the maximum of 16384",
    "'max_tokens' must be <= 8192",
    "The requested max_tokens (9000) exceeds model's max output tokens (8192)",
    "number of images exceeds limit",
    "Image is too large",
    "image dimensions exceed max allowed size",
    "you have exceeded your token quota",
    "You exceeded your daily token limit",
    "insufficient_quota",
    "too many requests",
    "Requests too large: retry later",
    "stop: too many stop sequences, max 4",
    "tool name is too long",
    "Too many tools: at most 128",
    "top_logprobs must be at most 20",
    "logit_bias exceeds limit of 300",
    "schema is too large: 5000 enum values exceeds limit",
    "Function parameters too large",
    "tools: description too long",
    "n must be at most 8",
    "invalid temperature: must be less than or equal to 2",
    "metadata value too long",
    "user: string too long",
    "max_output_tokens is too large: this model supports at most 8192 output tokens",
    "reasoning effort exceeds",
    "The model is overloaded",
    "This model does not support tools",
    "max_new_tokens must be <= 512. Given: 4000",
    "Total tokens per minute limit exceeded",
    "concurrent requests limit exceeded",
    "budget exceeded: max_tokens",
    "Invalid API key: token too long",
    "audio file too large",
    "payment required: credits exceeded",
    "seed must be less than 2^31",
    "max_tokens (100000) exceeds the model's maximum context length (4096)",
    "max_tokens cannot be larger than the context window",
    "maximum tokens must be less than context length",
    "request timed out: deadline exceeded",
    "message: content must be a string",
    "Input should be less than or equal to 2",
    "input image exceeds the size limit",
    "PDF exceeds 100 pages maximum",
    "Invalid request: messages must alternate",
    "tool call arguments too long",
    "Messages array must not be empty",
    "queue is full: too many pending requests",
    "requested tokens exceed the account's limit of 100000 TPM",
    "file size exceeds limit",
    "Unsupported: max_tokens with this model; use max_completion_tokens",
    "cache_control: at most 4 blocks",
    "Your organization token limit exceeded, upgrade your plan",
    "prefix too long for assistant prefill?",
    "Model 'long-context' not found",
    "`thinking.budget_tokens` must be less than `max_tokens`",
]


def test_what_carries_the_meaning_is_a_few_phrases() -> None:
    assert [said for said in PHRASES if not says_too_long(400, orjson.dumps(of(said)), None)] == []
    assert [said for said in OTHER_PHRASES if says_too_long(400, orjson.dumps(of(said)), None)] == []


def test_words_that_are_not_json_are_read_too() -> None:
    assert says_too_long(413, b"<html><h1>413 Request Entity Too Large</h1></html>", None)
    assert says_too_long(413, b"length limit exceeded", None)
    assert says_too_long(500, b"Prompt is too long", None)
    assert not says_too_long(400, b"Bad Request", None)


def test_a_text_made_to_be_slow_is_read_all_the_same() -> None:
    for word in ("exceed", "context length ", "input (", "max", "prompt text "):
        assert not says_too_long(400, (word * 20_000).encode(), None)


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 502, 503])
def test_a_status_with_a_meaning_of_its_own_counts_more_than_words(status: int) -> None:
    assert not says_too_long(status, orjson.dumps(of("prompt is too long")), None)


def test_max_tokens_that_alone_fill_the_context_are_a_setting() -> None:
    body = orjson.dumps(TOO_LONG[1][2])
    assert says_too_long(400, body, 8191)
    assert not says_too_long(400, body, 8192)

"""What a model makes of given text: log-probabilities of answers, vectors of names."""
import numpy as np
import torch


@torch.no_grad()
def log_likelihood(model, prompts, answers):
    """Log-probability of each answer after its prompt, summed over the answer's tokens: a list of (batch) floats.

    prompts, answers: token id lists. Rows are padded on the left, so that logits are computed at the end only.
    """
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    width, longest = max(map(len, rows)), max(map(len, answers))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=longest + 1).logits[:, :-1]
    logps = logits.float().log_softmax(-1).gather(-1, ids[:, -longest:, None]).squeeze(-1)
    return [float(logps[i, longest - len(answer):].double().sum()) for i, answer in enumerate(answers)]


@torch.no_grad()
def name_vectors(model, tokenizer, names, batch_size=128):
    """{name: (width,) vector} by a language model: the mean of its last hidden states over the name's tokens, less the mean of all names.

    Without the subtraction all vectors of a language model point into one direction, and any two names look alike (Mu and Viswanath
    2018, "All-but-the-Top", section 2).
    """
    if not names:
        return {}
    tokens = tokenizer(names, add_special_tokens=False)["input_ids"]
    order, found = sorted(range(len(names)), key=lambda i: len(tokens[i])), {}
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        width = max(len(tokens[i]) for i in batch) or 1
        ids = torch.tensor([tokens[i] + [0] * (width - len(tokens[i])) for i in batch], device=model.device)
        mask = torch.tensor([[1] * len(tokens[i]) + [0] * (width - len(tokens[i])) for i in batch], device=model.device)
        states = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, logits_to_keep=1).hidden_states[-1].float()
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        found |= {names[i]: vector.cpu().numpy() for i, vector in zip(batch, means)}
    centre = np.mean(list(found.values()), axis=0)
    return {name: found[name] - centre for name in names}

"""All that knows Huawei FRS: client > auth > verdicts > codes, protocol."""
